"""Coords -> Split: how a question is drawn."""
