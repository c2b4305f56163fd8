"""Compare neural-network pruning methods: train once, prune many ways, measure, and see them side by side."""

from importlib.metadata import version

__version__ = version("prunelab")
