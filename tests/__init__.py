"""Imported before everything else, so that the tests compute with the arithmetic that jobs have by default."""

import prunelab as prunelab
