"""What stands after ± and is drawn as a band over seeds."""

from __future__ import annotations

from enum import Enum

LEVEL = 0.95
"""At which what is said of seeds holds."""


class Bars(str, Enum):
    """How the spread over seeds is shown."""

    INTERVAL = "interval"
    DEVIATION = "deviation"

    @property
    def words(self) -> str:
        """For captions."""
        if self is Bars.INTERVAL:
            return f"{100 * LEVEL:g}% confidence interval of the mean (Student's t)"
        return "standard deviation over seeds"
