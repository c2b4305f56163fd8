"""Console commands, one file each: they parse, ask and print; what they do is in the package's other folders."""
