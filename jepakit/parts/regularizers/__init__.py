"""Embeddings -> a number: what keeps them from collapsing, over the global batch."""
