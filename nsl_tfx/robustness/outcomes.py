"""What one model did with some examples: all that scores and checks are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.robustness.result import Fragile

Flags = NDArray[np.bool_]
ByName = Mapping[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """Arrays `[examples]`, so that the outcomes of parts are joined end to end.

    Nothing about an example depends on the others that it was measured with.

    Attributes:
        row: The example's number.
        classes: Number of logits; the same for every example.
        label: Its class.
        prediction: The class that the model gives to it as it stands.
        correct: Whether that is the label, and the logits are finite.
        finite: Whether the logits are.
        margin: The label's logit less the largest other one.
        repeat_difference: By how much logits differ when the model is asked again.
        largest_logit: In magnitude, of those that are finite.
        is_distribution: Whether the logits lie in [0, 1] and sum to 1.
        gradient_zero: By attacked feature, whether all of the loss's gradient is 0.
        gradient_broken: By attacked feature, whether some of it is not finite.
        gradient_missing: The attacked features that no gradient reaches.
        gradient_error: Why no gradient could be taken at all.
        attacked: By attack, whether it was told the example at the verdict's epsilon.
        fooled: By attack, whether it misleads the model about it there.
        invalid: By attack, whether what it returned at any epsilon breaks the rules.
        lost: By attack, whether it saw the model misled at any epsilon and did not return how.
        idle: By attack, whether it withstood it without any rise of the loss.
        smallest_epsilon: The smallest measured epsilon at which an attack misleads the model; 0
            for what is wrong to begin with, infinity for what withstands all.
        withstood: The largest epsilon above the verdict's at which no attack did, 0 for none.
        probes: By name, 1 where a test of the attacks themselves succeeded, 0 where not and -1
            where it was not made.
        corrupted: By corruption and severity, whether the model is right.
        edited: By kind of edit and how many features it may change, whether the model stays right.
        neighbors_correct: By change of the neighbors, whether the model is right after it.
        neighbors_changed: By change of the neighbors, whether it gives another class.
        certified_radius: Within which the smoothed model is right for certain; NaN where it is
            wrong or abstains, or no certificate was asked for.
        fragile: Examples that the smallest perturbations mislead.
        seconds: By attack, how long it took at the verdict's epsilon.
    """

    row: NDArray[np.int64]
    classes: NDArray[np.int64]
    label: NDArray[np.int64]
    prediction: NDArray[np.int64]
    correct: Flags
    finite: Flags
    margin: NDArray[np.float64]
    repeat_difference: NDArray[np.float64]
    largest_logit: NDArray[np.float64]
    is_distribution: Flags
    gradient_zero: ByName
    gradient_broken: ByName
    gradient_missing: tuple[str, ...]
    gradient_error: str
    attacked: ByName
    fooled: ByName
    invalid: ByName
    lost: ByName
    idle: ByName
    smallest_epsilon: NDArray[np.float64]
    withstood: NDArray[np.float64]
    probes: ByName
    corrupted: ByName
    edited: ByName
    neighbors_correct: ByName
    neighbors_changed: ByName
    certified_radius: NDArray[np.float64]
    fragile: tuple[Fragile, ...]
    seconds: Mapping[str, float]


def join_outcomes(parts: Sequence[Outcomes]) -> Outcomes:
    """Returns the outcomes of all parts, by the examples' numbers, whatever order they come in."""
    order = np.argsort(np.concatenate([part.row for part in parts]), kind="stable")
    found: dict[str, Any] = {}
    for field in dataclasses.fields(Outcomes):
        values = [getattr(part, field.name) for part in parts]
        found[field.name] = _join(values, order)
    # What holds for all of them is told by each.
    found["gradient_missing"] = parts[0].gradient_missing
    found["gradient_error"] = next((p.gradient_error for p in parts if p.gradient_error), "")
    found["fragile"] = tuple(fragile for part in parts for fragile in part.fragile)
    found["seconds"] = {
        name: sum(part.seconds.get(name, 0.0) for part in parts)
        for name in dict.fromkeys(name for part in parts for name in part.seconds)
    }
    return Outcomes(**found)


def _join(values: list[Any], order: NDArray[np.int64]) -> Any:
    if isinstance(values[0], np.ndarray):
        return np.concatenate(values)[order]
    if isinstance(values[0], Mapping) and all(
        isinstance(array, np.ndarray) for array in values[0].values()
    ):
        return {name: np.concatenate([v[name] for v in values])[order] for name in values[0]}
    return values[0]
