"""Re-estimate BatchNorm statistics, since pruning changes the distribution of their inputs.

The running mean and variance of each layer are set to those of its inputs over the calibration images, layer by layer
in one forward pass, so later layers see the effect of the new statistics before them (as in EagleEye, Li et al. 2020).
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from prunelab.errors import PrunelabError
from prunelab.pruning.calibration import Calibration
from prunelab.pruning.prune import Pruned


@torch.no_grad()
def reestimated(pruned: Pruned, calibration: Calibration) -> Pruned:
    """A copy of the pruned network with new statistics; `pruned` itself if the network has no running statistics.

    Raises:
        PrunelabError: if a layer is called several times: one pass cannot give it the statistics of all its inputs.
    """
    layers = [module for module in pruned.network.modules() if isinstance(module, _BatchNorm)]
    if not any(layer.track_running_stats for layer in layers):
        return pruned
    result = pruned.with_network(pruned.network)
    images = calibration.first(pruned.graph).images
    measured: set[str] = set()
    hooks = [
        module.register_forward_pre_hook(partial(_measure, measured, name))
        for name, module in result.network.named_modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    ]
    try:
        result.network.eval()(images)
    finally:
        for hook in hooks:
            hook.remove()
    return result


def _measure(measured: set[str], name: str, module: nn.Module, given: tuple[Tensor, ...]) -> None:
    assert isinstance(module, _BatchNorm)
    assert module.running_mean is not None
    assert module.running_var is not None
    if name in measured:
        raise PrunelabError(
            f"BatchNorm statistics cannot be re-estimated: {name} is called several times in a forward pass; other "
            "recoveries leave them as they are, with recovery.batch_norm=false"
        )
    measured.add(name)
    rows = given[0].movedim(1, -1).reshape(-1, given[0].shape[1])
    module.running_mean.copy_(rows.mean(0))
    module.running_var.copy_(rows.var(0))
