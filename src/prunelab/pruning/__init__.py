"""Which units go: scores say how much each is worth, selection picks the least, masks take them out."""
