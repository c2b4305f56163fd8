"""Measures accuracy, size and latency of networks."""
