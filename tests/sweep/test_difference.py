"""What plans differ in, key by key."""

from __future__ import annotations

from typing import Any

from prunelab.sweep.difference import changed, differences


def plan(*jobs: dict[str, Any]) -> dict[str, Any]:
    return {"jobs": [{"config_hash": repr(job), "determinants": job} for job in jobs]}


def test_keys_with_other_values_are_shown_for_every_plan_numbers_by_their_size() -> None:
    one = plan(*({"percentage": p, "training": {"epochs": 2}} for p in (100.0, 20.0, 0.0)))
    other = plan({"percentage": 20.0, "training": {"epochs": 2}, "recovery": {"steps": 4}})
    assert changed([one, other, one]) == {
        "percentage": ["0.0, 20.0, 100.0", "20.0", "0.0, 20.0, 100.0"],
        "recovery.steps": ["absent", "4", "absent"],
    }
    assert changed([one, one]) == {}


def test_the_same_values_in_other_combinations_are_a_difference_too() -> None:
    one, other = plan({"a": 1, "b": 1}, {"a": 2, "b": 2}), plan({"a": 1, "b": 2}, {"a": 2, "b": 1})
    assert differences(one, one) == []
    assert differences(one, other) == ["recorded 2 jobs, now 2, in other combinations"]
    assert differences(one, plan({"a": 3, "b": 1})) == ["a: recorded 1, 2, now 3", "b: recorded 1, 2, now 1"]
