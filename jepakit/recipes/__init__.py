"""Complete runs: model, data, schedule and probes, as functions that return a Run."""
