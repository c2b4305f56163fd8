"""Use a pruned network outside the store: export it to a file, or classify images with it."""
