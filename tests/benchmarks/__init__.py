"""`make bench`: figures that are ratios, each measured side by side in one run. See docs/benchmarks.md."""
