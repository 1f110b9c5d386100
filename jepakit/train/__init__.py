"""The engine: it knows a Method by four verbs, and no model."""
