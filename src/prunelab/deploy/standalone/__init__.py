"""What is laid beside an exported file: scripts that use it, and import nothing of prunelab."""
