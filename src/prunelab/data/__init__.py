"""Data sets: downloaded, verified, split, and kept in memory as tensors."""
