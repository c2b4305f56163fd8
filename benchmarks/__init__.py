"""What prunelab costs, as ratios of two things measured in turn in one run: `make bench`."""

import prunelab as prunelab  # before numpy and torch, whose arithmetic it fixes
