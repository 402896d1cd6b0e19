"""The cost of a rendered project beyond a plain one; see docs/benchmarks.md."""
