"""Pruning: criteria score the units, selection picks those with the lowest scores, masks remove them."""
