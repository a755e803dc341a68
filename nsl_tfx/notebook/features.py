"""Features of a few examples, found by their ids."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nsl_tfx.io.printable import printable

MOST_RECORDS = 20_000
"""So many records are looked at, so that a large data set does not keep a notebook waiting."""

_MOST_FEATURES = 4
_MOST_VALUES = 4
_MOST_CHARACTERS = 60


def find_features(examples: str, ids: Iterable[bytes], id_feature: str) -> dict[bytes, str]:
    """Returns in words what a few examples hold, by id; those that are not found are left out.

    Args:
        examples: Folder of TFX's Examples, with a folder for each split.
        ids: The examples'.
        id_feature: The feature with the id.
    """
    import tensorflow as tf

    from nsl_tfx.io.records import read_records

    wanted = set(ids)
    found: dict[bytes, str] = {}
    try:
        records = read_records(os.path.join(examples, "Split-*", "*"))
    except FileNotFoundError:
        return {}
    for record in itertools.islice(records.as_numpy_iterator(), MOST_RECORDS):
        features = tf.train.Example.FromString(record).features.feature
        identity = _id_of(features.get(id_feature))
        if identity in wanted:
            found[identity] = _describe(features, id_feature)
            if len(found) == len(wanted):
                break
    return found


def _id_of(feature: Any) -> bytes:
    if feature is None:
        return b""
    values = [*feature.bytes_list.value, *map(_digits, feature.int64_list.value)]
    return values[0] if values else b""


def _digits(value: int) -> bytes:
    return str(value).encode()


def _describe(features: Mapping[str, Any], id_feature: str) -> str:
    told = []
    for name in sorted(set(features) - {id_feature}):
        kind = features[name].WhichOneof("kind")
        values = getattr(features[name], kind).value if kind else ()
        if len(values):
            told.append((len(values), f"{name}: {_values(values)}"))
    # What is short says more than the first pixels of an image.
    shown = [text for _, text in sorted(told, key=lambda pair: pair[0])[:_MOST_FEATURES]]
    more = len(told) - len(shown)
    return "; ".join(shown) + (f"; {more} more" if more else "")


def _values(values: Sequence[Any]) -> str:
    shown = ", ".join(_value(value) for value in values[:_MOST_VALUES])
    return f"{shown}, ... ({len(values):,} values)" if len(values) > _MOST_VALUES else shown


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    is_text = isinstance(value, bytes)
    text = printable(value.decode("utf-8", "backslashreplace")) if is_text else str(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
