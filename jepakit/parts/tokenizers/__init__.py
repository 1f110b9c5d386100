"""Raw data -> Tokens."""
