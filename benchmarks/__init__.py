"""Speed and memory, measured: each module prints a table and writes results/benchmarks/NAME.json."""
