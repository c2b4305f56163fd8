"""A document's commands on small data, so that all of them take seconds."""

from __future__ import annotations

import re

JOBS = 8
SMALL = {
    "data": "digits",
    "model": "mlp_small",
    "training.epochs": "1",
    "trainer.progress": "false",
    "trainer.threads": "1",
    "measure.seconds": "0.001",
    "calibration.images": "300",
}


def whole(arguments: list[str]) -> list[str]:
    """With something in place of `...`, by which a document means any sweep."""
    return [word for a in arguments for word in (["method=weight", "percentage=0,90"] if a == "..." else [a])]


def small(arguments: list[str]) -> list[str]:
    """The same on small data; of many values the first and the last, of a stored sweep a part."""
    words = [word for word in whole(arguments) if word.partition("=")[0] not in SMALL or _is_own(word)]
    keys = {word.partition("=")[0] for word in words}
    added = {key: value for key, value in SMALL.items() if key not in keys}
    if "model=lenet5" in words and "data" in added:
        added["model.padding"] = "[2,2]"  # for images of 8x8
    if any(word.startswith("recovery.steps=") and "reconstruction" in word for word in words):
        added["recovery.reconstruction.iterations"] = "20"
    experiment = next((a.partition("=")[2] for a in arguments if a.startswith("experiment=")), None)
    if experiment == "until":
        added["until.resolution"] = "25"
    elif experiment == "search":
        added["hydra.sweeper.n_trials"] = "2"
    elif experiment is not None and "--config-dir" not in words:
        added |= {key: value for key, value in {"percentage": "0,90", "seed": "0"}.items() if key not in keys}
    return [*_fewer(words), *(f"{key}={value}" for key, value in added.items())]


def _is_own(word: str) -> bool:
    """Whether it names data or a network that the document itself brings, or that its checkpoint is not trained."""
    return word == "training.epochs=0" or (word.startswith(("data=", "model=")) and word != "data=fashion_mnist")


def _fewer(words: list[str]) -> list[str]:
    """At most `JOBS` jobs, if ends of the swept values are enough: of all, and then one seed alone."""
    ends = {word: re.sub(r"=([^,(]+),(?:.*,)?([^,]+)$", r"=\1,\2", word) for word in words if not word.startswith("-")}
    words = [ends.get(word, word) for word in words]
    if 2 ** sum("," in word for word in words) > JOBS:
        words = [word.partition(",")[0] if word.startswith("seed=") else word for word in words]
    return words
