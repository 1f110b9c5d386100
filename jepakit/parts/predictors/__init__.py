"""Context and places -> what is there."""
