"""One file per published JEPA: methods with numbers."""
