"""`python -m prunelab` is `prunelab`."""

from prunelab.app import main

main()
