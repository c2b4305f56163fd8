"""What follows ± and is drawn as a band over seeds."""

from __future__ import annotations

from enum import Enum

LEVEL = 0.95
"""The confidence level of every statement about several seeds."""


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
