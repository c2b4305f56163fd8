"""`make zoo`: structured pruning of 40% of the units, at random, of every torchvision classifier.

    python -m benchmarks.zoo [NAME ...] [--write]

Each network, with seeded random weights, is analysed; 40% of its units are drawn and taken out; the compacted network
is compared with the masked one. `--write` puts the table into docs/zoo.md. Status 1 if they differ for one network.
"""

from __future__ import annotations

import gc
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import models

from benchmarks.table import table
from prunelab.errors import PrunelabError
from prunelab.graph.analyse import analyse
from prunelab.graph.exact import difference, is_exact
from prunelab.graph.graph import Graph
from prunelab.graph.masks import masked, unit_mask
from prunelab.graph.randomise import normalise, randomised
from prunelab.graph.surgery import runnable, smaller

SHARE = 0.4
SIZES = {"inception_v3": 299}
"""Rows and columns of images, where they are not 224."""
FILE = Path(__file__).parents[1] / "docs" / "zoo.md"
HEAD = """# Every torchvision classifier

For people who wonder whether their network can be pruned: every torchvision classifier with 40% of its units removed.

The weights are random (seed 0), and so is the choice of units. The table shows what the analysis found, and the largest
difference between outputs of the compacted and the masked network, relative to the largest output. Output layers and
layer scales that are initialised to zero get random numbers, and batch normalisation keeps the scale of the signal:
otherwise the outputs of many networks would not depend on what was removed. `make zoo` writes this table.

"""
HEADINGS = ("network", "units", "layers", "left whole", "parameters", "after", "difference", "analysis, s")


@dataclass(frozen=True, slots=True)
class Row:
    """The result for one network; `refused`: why it could not be pruned, if so."""

    name: str
    units: int = 0
    layers: int = 0
    whole: int = 0
    before: int = 0
    after: int = 0
    error: float = 0.0
    seconds: float = 0.0
    refused: str = ""

    @property
    def cells(self) -> list[str]:
        """As a row of the table."""
        if self.refused:
            return [self.name, f"refused: {self.refused}", *[""] * (len(HEADINGS) - 2)]
        counts = [f"{count:,}" for count in (self.units, self.layers, self.whole, self.before, self.after)]
        return [self.name, *counts, f"{self.error:.1e}", f"{self.seconds:.1f}"]

    @property
    def exact(self) -> bool:
        """Whether it has units and computes the same without some of them."""
        return not self.refused and self.units > 0 and is_exact(self.error)


def tried(name: str, size: int | None = None) -> Row:
    """One of torchvision's networks, on two random images of its own size."""
    side = size or SIZES.get(name, 256 if name.startswith("swin_v2") else 224)
    torch.manual_seed(0)
    network = models.get_model(name, weights=None, **_quick(name)).eval()
    images = torch.rand(2, 3, side, side)
    try:
        start = time.perf_counter()
        graph = analyse(network, images)
        seconds = time.perf_counter() - start
        error, after = _pruned(network, graph, images)
    except PrunelabError as refusal:
        return Row(name, refused=str(refusal))
    before = sum(parameter.numel() for parameter in network.parameters())
    return Row(name, graph.units, len(graph.layers), len(graph.whole), before, after, error, seconds)


@torch.no_grad()
def _pruned(network: nn.Module, graph: Graph, images: Tensor) -> tuple[float, int]:
    """Relative difference of compacted and masked, and the parameters of the compacted."""
    chosen = torch.rand(graph.units, generator=torch.Generator().manual_seed(0)) >= SHARE
    zeroed = masked(randomised(network), unit_mask(graph, chosen))
    normalise(zeroed, images)
    expected = zeroed(images)
    small = smaller(zeroed, graph, runnable(graph, chosen))
    return difference(small(images), expected), sum(parameter.numel() for parameter in small.parameters())


def _quick(name: str) -> dict[str, bool]:
    """Without the slow initialisation of two of them, about which torchvision warns."""
    return {"init_weights": False} if name in ("googlenet", "inception_v3") else {}


def main() -> None:
    """All networks, or those that are named."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--write"]
    rows = []
    names = arguments or models.list_models(module=models)
    for number, name in enumerate(names, start=1):
        rows.append(tried(name))
        print(f"[{number}/{len(names)}] {', '.join(filter(None, rows[-1].cells))}", flush=True)
        gc.collect()
    exact, refused = sum(row.exact for row in rows), sum(bool(row.refused) for row in rows)
    summary = f"{exact} of {len(rows)} exact, {refused} refused, {len(rows) - exact - refused} wrong or without units."
    print(summary)
    if "--write" in sys.argv[1:]:
        FILE.write_text(f"{HEAD}{table(HEADINGS, [row.cells for row in rows])}\n\n{summary}\n")
    sys.exit(exact + refused != len(rows))


if __name__ == "__main__":
    main()
