"""Measurements against the peers; run by hand, figures go to docs/benchmarks.md."""
