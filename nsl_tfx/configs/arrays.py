"""Checking fields that hold numbers, in whatever form: lists, arrays, tensors, dicts of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def check_numbers(where: str, value: Any, low: float = -math.inf, high: float = math.inf) -> None:
    """Checks every number of a field.

    A tensor without a value yet (inside a traced function) passes: it can be checked only there.

    Args:
        where: The field's name, for the error's text.
        value: None, a number, a list, an array, a tensor, or a dict or list of them by feature.
        low: Smallest number allowed.
        high: Largest number allowed.

    Raises:
        TypeError: Something else than numbers is among them.
        ValueError: A number is NaN or out of range.
    """
    if isinstance(value, Mapping):
        for name, part in value.items():
            check_numbers(f"{where}[{name!r}]", part, low, high)
        return
    if value is None or not _has_value(value):
        return
    if isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            check_numbers(f"{where}[{index}]", part, low, high)
        return
    import numpy as np

    numbers = np.asarray(value)
    # bfloat16 is a kind of its own to NumPy.
    if numbers.dtype.kind not in "biufV":
        raise TypeError(f"Expected {where} to hold numbers. Received: {value!r}.")
    numbers = numbers.astype(np.float64)
    wrong = ~((numbers >= low) & (numbers <= high))
    if wrong.any():
        limits = "" if math.isinf(low) and math.isinf(high) else f" from {low:g} to {high:g}"
        raise ValueError(
            f"Expected {where} to hold numbers{limits}. Received: {numbers[wrong].flat[0]:g}."
        )


def _has_value(value: Any) -> bool:
    # TensorFlow's symbolic tensors have a `graph`, Keras's have no `numpy`.
    return not hasattr(value, "dtype") or hasattr(value, "tolist") or hasattr(value, "numpy")
