"""Re-estimate BatchNorm statistics, since pruning changes the distribution of their inputs.

The running mean and variance of each layer are set to those of its inputs over the calibration images, layer by layer
in one forward pass, so later layers see the effect of the new statistics before them (as in EagleEye, Li et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from prunelab.errors import PrunelabError
from prunelab.graph.trace import evaluating
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.prune import Pruned


def reestimated(pruned: Pruned, calibration: Calibration) -> Pruned:
    """A copy of the pruned network with new statistics; `pruned` itself if the network has no running statistics.

    Raises:
        PrunelabError: as `check`.
    """
    if not _layers(pruned.network):
        return pruned
    result = pruned.with_network(pruned.network)
    images = calibration.first(pruned.graph).images
    check(result.network, images[:1])
    result.network.eval()
    _observe(result.network, images, _measure)
    return result


def check(network: nn.Module, images: Tensor) -> None:
    """Refuse what could not be re-estimated, given some of the network's input images ([n, ...]).

    Raises:
        PrunelabError: if a layer is called several times: one pass cannot give it the statistics of all its inputs.
    """
    called: set[str] = set()

    def count(name: str, module: _BatchNorm, given: Tensor) -> None:
        if name in called:
            raise PrunelabError(
                f"BatchNorm statistics cannot be re-estimated: {name} is called several times in a forward pass; other "
                "recoveries leave them as they are, with recovery.batch_norm=false"
            )
        called.add(name)

    with evaluating(network):
        _observe(network, images, count)


def _layers(network: nn.Module) -> dict[str, _BatchNorm]:
    """The layers that have running statistics, by name."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    }


@torch.no_grad()
def _observe(network: nn.Module, images: Tensor, see: Callable[[str, _BatchNorm, Tensor], None]) -> None:
    """Run the network, and call `see` with each layer and its input before it is run."""
    hooks = [
        module.register_forward_pre_hook(lambda module, given, name=name: see(name, module, given[0]))
        for name, module in _layers(network).items()
    ]
    try:
        network(images)
    finally:
        for hook in hooks:
            hook.remove()


def _measure(name: str, module: _BatchNorm, given: Tensor) -> None:
    assert module.running_mean is not None
    assert module.running_var is not None
    rows = given.movedim(1, -1).reshape(-1, given.shape[1])
    module.running_mean.copy_(rows.mean(0))
    module.running_var.copy_(rows.var(0))
