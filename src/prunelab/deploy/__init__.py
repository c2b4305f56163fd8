"""A pruned network taken away from the store: as a file for elsewhere, or at work on images."""
