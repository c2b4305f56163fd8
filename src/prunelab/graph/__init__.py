"""Which channels of a network can be removed, and which parameters belong to them."""
