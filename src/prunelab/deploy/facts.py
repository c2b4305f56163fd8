"""What is said of an exported network: in the metadata of its file, on its model card, and on the terminal."""

from __future__ import annotations

import json
from dataclasses import dataclass

from prunelab import __version__, names
from prunelab.network.saved import Card
from prunelab.runtime.onnx import INPUT, OPSET, OUTPUT
from prunelab.tracking.run import Run

PARAMETERS = ("method", "percentage", "percentage_of", "recovery", "seed", "data", "model", "baseline_key")
RECORDED_BYTES = {
    "onnx, float32": names.ONNX_BYTES,
    "onnx, int8": names.INT8_BYTES,
    "safetensors, dense": names.FILE_DENSE_BYTES,
    "safetensors, sparse": names.FILE_SPARSE_BYTES,
}
"""The metric that has a job's bytes of each form."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on the file. `accuracy` on all `images` test images; None: not measured, `lacking` says why.

    `difference` is the largest between its logits and the network's, relative to the largest logit; None for int8.
    `agreement`, for int8 only, is the share of test images for which it chooses the same class as the float32 network.
    """

    accuracy: float | None
    images: int
    difference: float | None
    agreement: float | None
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a network comes from, what it costs, and how good its file is.

    `run` is the job. `form`: onnx, float32; onnx, int8; safetensors, dense; safetensors, sparse. `plain` is the size of
    the file in bytes before these facts were put into its metadata.
    """

    run: Run
    form: str
    plain: int
    measured: Measured

    @property
    def onnx(self) -> bool:
        """Whether the file is an ONNX model."""
        return self.form.startswith("onnx")

    @property
    def metadata(self) -> dict[str, str]:
        """As the file carries them: texts, what has a structure in JSON."""
        found = self.measured
        return {
            "form": self.form,
            "test_accuracy": "" if found.accuracy is None else f"{found.accuracy:.6f}",
            "test_images": str(found.images),
            "parameters": f"{self.run.metrics[names.PARAMETERS_REMAINING]:.0f}",
            "multiply_adds": f"{self.run.metrics[names.MULTIPLY_ADDS_REMAINING]:.0f}",
            **({"opset": str(OPSET)} if self.onnx else {}),
            "provenance": json.dumps(self.provenance, sort_keys=True),
        }

    @property
    def provenance(self) -> dict[str, str]:
        """What was done to which network, by which code."""
        return {
            "prunelab": __version__,
            "commit": self.run.tags.get(names.GIT_COMMIT, "unknown"),
            "job": self.run.name,
            "run_id": self.run.id,
            "data_sha256": self.run.digest,
            **{name: self.run.params[name] for name in PARAMETERS if name in self.run.params},
        }

    def in_words(self, size: int) -> list[str]:
        """Form and size (bytes of the finished file), agreement with the network, accuracy: lines for the terminal."""
        found = self.measured
        agreement = (
            f"its logits are within {found.difference:.1e} of the network's (relative to the largest)"
            if found.difference is not None
            else f"it predicts the same class as the float32 network on {found.agreement:.2%} of the test images"
        )
        lines = [f"{self.form}, {size:,} bytes ({self._bytes_in_words(size)}); {agreement}"]
        if found.accuracy is None:
            return [*lines, f"its accuracy was not measured: {found.lacking}"]
        before = self.run.metrics.get(names.INT8_ACCURACY if self.form == "onnx, int8" else names.TEST_ACCURACY)
        recorded = "" if before is None else f"recorded: {before:.4f}; "
        unpruned = self.run.metrics[names.BASELINE_ACCURACY]
        accuracy = f"test accuracy {found.accuracy:.4f} on {found.images:,} images"
        return [*lines, f"{accuracy} ({recorded}unpruned: {unpruned:.4f})"]

    def _bytes_in_words(self, size: int) -> str:
        """What the job recorded of this form, which is without the metadata of an export, and why that is less."""
        added, recorded = size - self.plain, self.run.metrics.get(RECORDED_BYTES[self.form])
        if recorded is None:
            return f"including {added:,} of metadata"
        if recorded == self.plain:
            return f"recorded: {recorded:,.0f} bytes; the difference is metadata, {added:,} bytes"
        return f"including {added:,} of metadata; the job recorded {recorded:,.0f} bytes without metadata"


def model_card(file: str, size: int, card: Card, facts: Facts, script: bool) -> str:
    """The Markdown that is written beside a file, after Mitchell et al. 2019: what it takes, gives, and is worth.

    `size` in bytes; `script`: whether there is a script beside it.
    """
    metrics, found, job = facts.run.metrics, facts.measured, facts.run.params
    accuracy = "not measured" if found.accuracy is None else f"{found.accuracy:.4f} on {found.images:,} test images"
    parameters = f"{metrics[names.PARAMETERS_REMAINING]:,.0f} of {metrics[names.PARAMETERS_TOTAL]:,.0f}"
    macs = f"{metrics[names.MULTIPLY_ADDS_REMAINING]:,.0f} of {metrics[names.MULTIPLY_ADDS_TOTAL]:,.0f}"
    shape, scale = f"[n, {', '.join(map(str, card.shape))}]", card.normalisation
    normalised = (
        "no further normalisation"
        if scale is None
        else f"then (value - mean) / std for each channel, with mean {list(scale.mean)} and std {list(scale.std)}"
    )
    pruned = f"`{job.get('method')}` at {job.get('percentage')}% with recovery `{job.get('recovery')}`"
    provenance = "\n".join(f"| {name} | {value} |" for name, value in facts.provenance.items())
    return f"""# {file}

A network for {job.get("data", "images")} ({job.get("model", "unknown")}), pruned by {pruned}.

| | |
| --- | --- |
| form | {facts.form}{f", opset {OPSET}, any batch size" if facts.onnx else ""} |
| size | {size:,} bytes |
| test accuracy of this file | {accuracy} |
| unpruned network | {metrics[names.BASELINE_ACCURACY]:.4f} |
| pruned network when it was recorded | {metrics[names.TEST_ACCURACY]:.4f} |
| parameters | {parameters} |
| MACs of one image | {macs} |

## Input and output

- Input{" `images`" if facts.onnx else ""}: float32 {shape} (n images; channels, rows, columns).
  Values scaled to [0, 1], {normalised}.
- Output{" `logits`" if facts.onnx else ""}: float32 [n, {len(card.classes)}], one logit for each class; softmax gives
  probabilities.
- Classes, in order: {", ".join(card.classes)}.

## Use

{_use(file, facts.onnx) if script else NO_SCRIPT}

## Provenance

| | |
| --- | --- |
{provenance}
"""


NO_SCRIPT = "The weights are a state dict by name: build the network's class and load them (prunelab-predict does)."


def _use(file: str, onnx: bool) -> str:
    needs, data = ("onnxruntime and numpy", "npy") if onnx else ("torch and safetensors", "safetensors")
    line = f"`python {file}.py picture.png images.{data}` needs {needs} (and Pillow for pictures), but not prunelab."
    if not onnx:
        return line
    return f"""{line}

```python
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
(logits,) = session.run(["{OUTPUT}"], {{"{INPUT}": images}})
```"""
