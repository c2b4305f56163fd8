"""Rewinding: retrain the remaining weights from an earlier state of the dense network's training.

`rewinds: weights` resets the weights to initialisation (the lottery ticket hypothesis, Frankle and Carbin 2019), or to
step `to_step` of the training (Frankle et al. 2020). The training is repeated up to that step; the same seed gives the
same weights. `rewinds: rate` rewinds only the learning rate: the trained weights are trained further with the schedule
from that step on (Renda, Frankle and Carbin 2020).
"""

from __future__ import annotations

import tempfile
from enum import Enum
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from pydantic import Field
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn

from prunelab.choices import Schedule
from prunelab.config import CountOrZero
from prunelab.errors import ConfigError
from prunelab.pruning.prune import Pruned
from prunelab.recovery import finetune
from prunelab.recovery.recover import Learning, Task
from prunelab.training.classifier import Classifier
from prunelab.training.fit import fit


class Rewinds(str, Enum):
    """What is rewound."""

    WEIGHTS = "weights"
    RATE = "rate"


class Options(finetune.Options):
    """`rewinds`: the weights, or only the learning rate; `to_step`: the optimiser step to return to.

    The defaults serve stored jobs from before these options existed.
    """

    rewinds: Rewinds = Field(Rewinds.WEIGHTS, description="weights or rate")
    to_step: CountOrZero = 0


def recover(pruned: Pruned, task: Task, options: Options) -> Pruned:
    """Retrain with the masks of the trained network, and the weights or learning rate of an earlier step.

    Raises:
        ConfigError: if there was no training, or too few steps of it, or the schedule cannot be entered in the middle.
    """
    learning = task.learning
    assert learning is not None
    options = _from_step(options, learning)
    if options.rewinds is Rewinds.WEIGHTS:
        if not learning.training.epochs:  # the checkpoint holds trained weights: there is no earlier state
            raise ConfigError(
                "recovery=rewind is refused with training.epochs=0: the network's weights before its training are not "
                "known; it accepts recovery.rewinds=rate, or recovery=finetune"
            )
        network = learning.untrained()
        if options.to_step:
            _train_to(network, options.to_step, task, learning)
        pruned = pruned.with_network(network.eval())
    return finetune.recover(pruned, task, options)


def _from_step(options: Options, learning: Learning) -> Options:
    """The options with the learning rate that the schedule has reached at the step."""
    if not options.to_step:
        return options
    training = learning.training
    steps = training.epochs * -(-len(learning.dataset.train) // training.batch_size)
    if options.to_step >= steps:
        raise ConfigError(
            f"recovery.to_step={options.to_step} is refused: the training has {steps} steps; it accepts a whole number "
            f"from 0 to {max(0, steps - 1)}"
        )
    if options.schedule is Schedule.REX:
        raise ConfigError(
            "recovery.schedule=rex is refused with recovery.to_step above 0: its curve cannot be entered midway; it "
            "accepts constant or linear"
        )
    share = 1 - options.to_step / steps if options.schedule is Schedule.LINEAR else 1.0
    return options.model_copy(update={"learning_rate": share * options.learning_rate})


def _train_to(network: nn.Module, step: int, task: Task, learning: Learning) -> None:
    """Repeat the dense network's training on the untrained network, in place, up to a step."""
    until = _Until(step)
    with tempfile.TemporaryDirectory() as folder:
        fit(
            *(network, learning.dataset, learning.training, learning.trainer, task.seed, Path(folder)),
            callbacks=[until],
        )
    network.load_state_dict(until.state)


class _Until(Callback):
    """Copies the weights after a step, and stops the training at the end of that epoch."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.state: dict[str, Tensor] = {}

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Copy the weights at the step."""
        if trainer.global_step == self.step:
            assert isinstance(module, Classifier)
            self.state = {name: value.detach().clone() for name, value in module.network.state_dict().items()}

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Stop: the rest of the training is not needed."""
        trainer.should_stop = trainer.should_stop or bool(self.state)
