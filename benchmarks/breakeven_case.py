"""One case of the break-even table: a layer's shape, a batch and a percentage, timed in every form."""

from __future__ import annotations

from dataclasses import dataclass

from prunelab.measure.latency import DENSE, STEADY, Latency

ONNX = "dense, onnxruntime"


@dataclass(frozen=True, slots=True)
class Case:
    """One shape, batch and percentage, timed in every form."""

    shape: tuple[int, int]
    batch: int
    removed: float
    times: Latency

    @property
    def dense(self) -> str:
        """The faster of the dense forms."""
        return self.times.fastest([form for form in (DENSE, ONNX) if form in self.times.turns])

    def gain(self, form: str) -> float | None:
        """Times as fast as the faster dense form; None where the times scatter too much to say."""
        speedup = self.times.speedup(form, over=self.dense)
        return speedup.median if self.times.quiet and speedup.relative <= STEADY else None
