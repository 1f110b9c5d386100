"""One file per method that JEPAs are compared with, at equal network, data and compute."""
