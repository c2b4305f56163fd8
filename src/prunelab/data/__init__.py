"""Where images come from: fetched, verified, split, and kept in memory as tensors."""
