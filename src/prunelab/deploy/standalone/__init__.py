"""What is written beside an exported file: scripts that use it and import nothing of prunelab, and the model card."""
