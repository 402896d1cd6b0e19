"""What a rendered project costs beyond a plain one; see docs/benchmarks.md."""
