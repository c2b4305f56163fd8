"""What a pruned network is given before it is evaluated."""
