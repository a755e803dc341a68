"""Accuracies of the examples that share a feature's value."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from nsl_tfx.robustness.result import Proportion, SliceScore

MOST_VALUES = 30
"""Features with more values than this are cut into ranges, or refused where they are text."""

RANGES = 5
"""How many ranges, each with about as many examples."""

MISSING = "(missing)"
"""The value of examples that have none: NaN, None or an empty text."""

# What stands for a missing integer where examples are read; it may be a value, too.
_NO_INTEGER = -1


@dataclasses.dataclass(frozen=True)
class Slice:
    """The examples that share a feature's value.

    Attributes:
        feature: The feature's name.
        value: Its value, as text.
        members: `[examples]` bool, which ones these are.
    """

    feature: str
    value: str
    members: NDArray[np.bool_]


def score_slices(
    columns: Mapping[str, NDArray[Any]],
    correct: NDArray[np.bool_],
    robust: NDArray[np.bool_],
    confidence: float,
) -> tuple[SliceScore, ...]:
    """Returns the accuracies of each slice, with what sets it apart from all other examples.

    The intervals are Wilson's at the level of Bonferroni's correction: with the given confidence
    those of all slices hold at once. Whether a slice is less robust than the others is told by
    Fisher's exact test, one-sided, and Holm 1979, "A simple sequentially rejective multiple test
    procedure": of all slices that are no less robust, one is called so with a probability of at
    most the level. Both hold for slices of several features, which overlap.

    Args:
        columns: The features to slice by, `[examples]` or `[examples, 1]` by name.
        correct: `[examples]`, whether the model is right as it stands.
        robust: `[examples]`, whether it stays right under every attack.
        confidence: Confidence level of all intervals together.

    Raises:
        ValueError: As `cut_slices`.

    Example:
        >>> correct = np.array([True, True, True, False])
        >>> found = score_slices({"city": np.array(["a", "a", "b", "b"])}, correct, correct, 0.95)
        >>> [(one.value, one.accuracy.value, round(one.p_value, 3)) for one in found]
        [('a', 1.0, 1.0), ('b', 0.5, 1.0)]
    """
    slices = cut_slices(columns)
    if not slices:
        return ()
    level = 1 - (1 - confidence) / len(slices)
    p_values = correct_by_holm(_p_lower(slices, robust))
    return tuple(
        SliceScore(
            feature=one.feature,
            value=one.value,
            accuracy=Proportion.of(correct[one.members], level),
            robust_accuracy=Proportion.of(robust[one.members], level),
            p_value=float(p_value),
        )
        for one, p_value in zip(slices, p_values, strict=True)
    )


def cut_slices(columns: Mapping[str, NDArray[Any]]) -> list[Slice]:
    """Returns the slices: feature by feature, by ascending values, what has none last.

    A number with more than `MOST_VALUES` values is cut into `RANGES` ranges of about as many
    examples each; a range is named by the smallest and the largest value found in it.

    Args:
        columns: `[examples]` or `[examples, 1]` by name: numbers, booleans, text or bytes.

    Raises:
        ValueError: A feature has several values an example, or more texts than `MOST_VALUES`.

    Example:
        >>> slices = cut_slices({"age": np.arange(100), "city": np.array([b"a", b""] * 50)})
        >>> [one.value for one in slices]
        ['0 to 19', '20 to 39', '40 to 59', '60 to 79', '80 to 99', 'a', '(missing)']
    """
    return [
        Slice(name, value, members)
        for name, column in columns.items()
        for value, members in _cut(name, _flatten(name, column))
    ]


def correct_by_holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns p-values `[tests]` that may be compared with the level of all tests together.

    Holm 1979: the k-th smallest of m, counted from 0, is multiplied by m - k, and none is below a
    smaller one's.

    Example:
        >>> correct_by_holm(np.array([0.01, 0.04, 0.03])).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * p_values[order]))
    return corrected


def _p_lower(slices: list[Slice], robust: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns `[slices]`: Fisher's exact test of a share that is no lower than the others'.

    Of all ways to choose so many examples, it is the share of those with no more robust ones.
    """
    sizes = np.array([one.members.sum() for one in slices])
    hits = np.array([(one.members & robust).sum() for one in slices])
    return np.asarray(hypergeom.cdf(hits, len(robust), robust.sum(), sizes), np.float64)


def _flatten(name: str, column: NDArray[Any]) -> NDArray[Any]:
    column = np.asarray(column)
    if column.ndim != 1 and column.shape != (len(column), 1):
        raise ValueError(
            f"Expected feature {name!r} with one value an example, to slice by. Received: shape "
            f"{['examples', *column.shape[1:]]}; slice by another feature."
        )
    return column.reshape(-1)


def _cut(name: str, column: NDArray[Any]) -> list[tuple[str, NDArray[np.bool_]]]:
    if column.dtype.kind not in "fiu":
        return _cut_text(name, column)
    missing, word = np.isnan(column), MISSING
    if column.dtype.kind == "i" and column.min(initial=0) == _NO_INTEGER:
        missing, word = column == _NO_INTEGER, f"{_NO_INTEGER} or missing"
    present = column[~missing]
    values = np.unique(present)
    if len(values) > MOST_VALUES:
        found = _cut_ranges(column, np.sort(present), ~missing)
    else:
        found = [(str(value), column == value) for value in values]
    return [*found, *([(word, missing)] if missing.any() else [])]


def _cut_text(name: str, column: NDArray[Any]) -> list[tuple[str, NDArray[np.bool_]]]:
    texts = [_text(value) for value in column.tolist()]
    values = sorted(set(texts))
    if len(values) > MOST_VALUES:
        raise ValueError(
            f"Expected feature {name!r} with at most {MOST_VALUES} different texts, to slice by. "
            f"Received: {len(values)}, such as {values[0]!r} and {values[-1]!r}; slice by a "
            "coarser feature."
        )
    values.sort(key=lambda value: value == MISSING)
    # NumPy itself drops zero bytes from the end of a text before it compares.
    return [(value, np.array([text == value for text in texts])) for value in values]


def _cut_ranges(
    column: NDArray[Any], ordered: NDArray[Any], present: NDArray[np.bool_]
) -> list[tuple[str, NDArray[np.bool_]]]:
    # Ranks rather than interpolated quantiles: equal values share a range, and infinity is one.
    ends = [ordered[math.ceil(len(ordered) * k / RANGES) - 1] for k in range(1, RANGES)]
    parts = np.searchsorted(np.unique(ends), column, side="left")
    found = []
    for part in np.unique(parts[present]):
        members = present & (parts == part)
        low, high = column[members].min(), column[members].max()
        found.append((f"{low} to {high}" if low < high else str(low), members))
    return found


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="backslashreplace")
    # Only NaN differs from itself.
    return MISSING if value is None or value == "" or value != value else str(value)
