"""Named benchmarks: data, protocol and figures."""
