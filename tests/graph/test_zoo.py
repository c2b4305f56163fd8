"""Classifiers of torchvision's, on small images: exact after 40% of their units are gone. `make zoo` tries them all."""

from __future__ import annotations

import pytest
from benchmarks.zoo import tried
from tests.conftest import quick


@pytest.mark.parametrize(
    "name",
    quick(
        ["squeezenet1_1", "shufflenet_v2_x0_5", "mobilenet_v3_small", "resnet18", "regnet_x_400mf", "densenet121"],
        *("squeezenet1_1", "resnet18"),
    ),
)
def test_a_classifier_of_torchvisions_is_pruned_exactly(name: str) -> None:
    row = tried(name, size=64)
    assert row.exact, row
    assert row.error > 0, "its outputs depend on what was removed, so that there is rounding to see"
    assert row.after < 0.8 * row.before
