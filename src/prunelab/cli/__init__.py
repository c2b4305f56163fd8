"""The console commands, one file each (`prunelab` itself is `prunelab.app`): they parse, call, and print."""
