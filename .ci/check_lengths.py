"""No file of Python in src, tests, benchmarks and .ci has more than 250 lines: what is longer does two things."""

from __future__ import annotations

import sys
from pathlib import Path

MOST = 250
FOLDERS = ("src", "tests", "benchmarks", ".ci")

root = Path(__file__).parents[1]
lengths = {path: len(path.read_text().splitlines()) for folder in FOLDERS for path in (root / folder).rglob("*.py")}
assert len(lengths) > 100, f"only {len(lengths)} files in {', '.join(FOLDERS)} of {root}"
too_long = {path: lines for path, lines in lengths.items() if lines > MOST}
for path, lines in sorted(too_long.items()):
    print(f"{path.relative_to(root)}: {lines} lines, more than {MOST}: split it by subject")
sys.exit(bool(too_long))
