"""What is said of an exported network: in the metadata of its file, and in the model card beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from prunelab import __version__, names
from prunelab.network.saved import Card
from prunelab.runtime.interface import OPSET
from prunelab.tracking.run import Run

PARAMETERS = ("method", "percentage", "percentage_of", "recovery", "seed", "data", "model", "baseline_key")


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found of the file itself. `accuracy` on all `images` test images, or None, and why in `lacking`.

    `difference`: how far its logits are from the network's, at most; of an int8 file None, and `agreement` the share of
    test images on which it chooses the same class.
    """

    accuracy: float | None
    images: int
    difference: float | None
    agreement: float | None
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a network comes from, what it costs, and how good its file is. `form`: onnx, onnx int8, safetensors..."""

    form: str
    run_id: str
    name: str
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    commit: str
    digest: str
    measured: Measured

    @property
    def metadata(self) -> dict[str, str]:
        """As the file carries them: texts, those with structure in JSON."""
        found = self.measured
        return {
            "form": self.form,
            "test_accuracy": "" if found.accuracy is None else f"{found.accuracy:.6f}",
            "test_images": str(found.images),
            "parameters": f"{self.metrics[names.PARAMETERS_REMAINING]:.0f}",
            "multiply_adds": f"{self.metrics[names.MULTIPLY_ADDS_REMAINING]:.0f}",
            **({"opset": str(OPSET)} if self.form.startswith("onnx") else {}),
            "provenance": json.dumps(self.provenance, sort_keys=True),
        }

    @property
    def provenance(self) -> dict[str, str]:
        """What was done to which network, by which code."""
        return {
            "prunelab": __version__,
            "commit": self.commit,
            "job": self.name,
            "run_id": self.run_id,
            "data_sha256": self.digest,
            **self.parameters,
        }


def facts_of(run: Run, form: str, measured: Measured) -> Facts:
    """From what the store has of the job."""
    return Facts(
        form=form,
        run_id=run.id,
        name=run.name,
        parameters={name: run.params[name] for name in PARAMETERS if name in run.params},
        metrics=run.metrics,
        commit=run.tags.get(names.GIT_COMMIT, "unknown"),
        digest=run.digest,
        measured=measured,
    )


def model_card(file: str, size: int, card: Card, facts: Facts, script: bool) -> str:
    """The Markdown that lies beside a file, after Mitchell et al. 2019: what it takes, gives, and is worth."""
    metrics, found = facts.metrics, facts.measured
    channels, rows, columns = card.shape
    scale = card.normalisation
    normalised = (
        "no further normalisation"
        if scale is None
        else f"then (value - mean) / std for each channel, with mean {list(scale.mean)} and std {list(scale.std)}"
    )
    accuracy = "not measured" if found.accuracy is None else f"{found.accuracy:.4f} on {found.images:,} test images"
    weights = "safetensors" not in facts.form
    lines = [
        f"# {file}",
        "",
        f"A network for {facts.parameters.get('data', 'images')} ({facts.parameters.get('model', 'unknown')}), pruned "
        f"by `{facts.parameters.get('method')}` at {facts.parameters.get('percentage')}% with recovery "
        f"`{facts.parameters.get('recovery')}`.",
        "",
        "| | |",
        "| --- | --- |",
        f"| form | {facts.form}{f', opset {OPSET}, any batch size' if weights else ''} |",
        f"| size | {size:,} bytes |",
        f"| test accuracy of this file | {accuracy} |",
        f"| unpruned network | {metrics[names.BASELINE_ACCURACY]:.4f} |",
        f"| pruned network when it was recorded | {metrics[names.TEST_ACCURACY]:.4f} |",
        f"| parameters | {metrics[names.PARAMETERS_REMAINING]:,.0f} of {metrics[names.PARAMETERS_TOTAL]:,.0f} |",
        f"| MACs of one image | {metrics[names.MULTIPLY_ADDS_REMAINING]:,.0f} of "
        f"{metrics[names.MULTIPLY_ADDS_TOTAL]:,.0f} |",
        "",
        "## Input and output",
        "",
        f"- Input{' `images`' if weights else ''}: float32 [n, {channels}, {rows}, {columns}] (n images; channels, "
        f"rows, columns). Values scaled to [0, 1], {normalised}.",
        f"- Output{' `logits`' if weights else ''}: float32 [n, {len(card.classes)}], one logit for each class; "
        "softmax gives probabilities.",
        f"- Classes, in order: {', '.join(card.classes)}.",
        "",
        "## Use",
        "",
        *_use(file, facts.form, script),
        "",
        "## Provenance",
        "",
        "| | |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in facts.provenance.items()),
        "",
    ]
    return "\n".join(lines)


def _use(file: str, form: str, script: bool) -> list[str]:
    if not script:
        return [
            "The weights are a state dict by name: build the network's class and load them (prunelab-predict does)."
        ]
    needs = "onnxruntime and numpy" if form.startswith("onnx") else "torch and safetensors"
    data = "images.npy" if form.startswith("onnx") else "images.safetensors"
    lines = [f"`python {file}.py picture.png {data}` needs {needs} (for pictures Pillow), and not prunelab."]
    if form.startswith("onnx"):
        lines += [
            "",
            "```python",
            "import onnxruntime",
            "",
            f'session = onnxruntime.InferenceSession("{file}")',
            '(logits,) = session.run(["logits"], {"images": images})',
            "```",
        ]
    return lines
