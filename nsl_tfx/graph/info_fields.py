"""What `graph.json` holds, so that a damaged one is named before anything is done with it."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _has_numbers(value: Any) -> bool:
    return _is_object(value) and all(one is None or _is_number(one) for one in value.values())


def _has_objects(value: Any) -> bool:
    return _is_object(value) and all(map(_is_object, value.values()))


def _has_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


_KINDS: dict[str, Callable[[Any], bool]] = {
    "a count": _is_count,
    "a number": _is_number,
    "a truth value": lambda value: isinstance(value, bool),
    "text": lambda value: isinstance(value, str),
    "a list": lambda value: isinstance(value, list),
    "a list of texts": _has_texts,
    "an object": _is_object,
    "an object of numbers": _has_numbers,
    "an object of objects": _has_objects,
    # Of a graph that an earlier version wrote, or of one that a later one did.
    "a number or an object of numbers": lambda value: _is_number(value) or _has_numbers(value),
}
_REQUIRED = {"nodes": "a count", "edges": "a count", "shards": "a list"}
_OF_A_SHARD = {"file": "text", "edges": "a count", "bytes": "a count", "crc32": "text"}
# Those that something here reads. A field that is missing or null is one that is not known.
_OPTIONAL = {
    "method": "text",
    "rounds": "a count",
    "directed": "a truth value",
    "config": "an object",
    "drops": "an object",
    "recall": "a number or an object of numbers",
    "metrics": "an object",
    "metrics.pairs": "a count",
    "metrics.self_loops": "a count",
    "metrics.mean_degree": "a number",
    "metrics.degree_histogram": "an object of numbers",
    "metrics.degree_quantiles": "an object of numbers",
    "metrics.in_degree_histogram": "an object of numbers",
    "metrics.in_degree_quantiles": "an object of numbers",
    "metrics.reciprocity": "a number",
    "metrics.isolated_nodes": "a count",
    "metrics.isolated_share": "a number",
    "metrics.weight_quantiles": "an object of numbers",
    "metrics.components": "a count",
    "metrics.largest_component_share": "a number",
    "metrics.label_agreement": "an object",
    "metrics.label_agreement.share": "a number",
    "metrics.label_agreement.low": "a number",
    "metrics.label_agreement.high": "a number",
    "metrics.label_agreement.chance": "a number",
    "metrics.label_agreement.pairs": "a count",
    "metrics.split_edges": "an object of objects",
    "metrics.cross_split_edges": "a count",
    "metrics.dangling": "an object",
    "metrics.dangling.ids": "a count",
    "metrics.dangling.edges": "a count",
    "metrics.dangling.names": "a list of texts",
    "metrics.not_measured": "an object",
}
_SHOWN = 60


def check_version(info: Any, path: str, version: int) -> None:
    """Raises ValueError unless the content of `graph.json` is an object of a format version.

    Args:
        info: The content.
        path: Where it was read from, for the error's text.
        version: The one that this code reads.
    """
    if not isinstance(info, dict):
        _raise_damaged(path, "an object", info)
    found = info.get("format_version")
    if not _is_count(found):
        _raise_damaged(path, "a count as format_version", info.get("format_version"))
    if found != version:
        raise ValueError(
            f"Expected {path} of format version {version}. Received: {found}. "
            "Read it with the version of nsl_tfx that wrote it, or build it anew."
        )


def check_fields(info: Mapping[str, Any], path: str) -> None:
    """Raises ValueError where a field of `graph.json` is not what it shall be.

    Args:
        info: The content, of this format version.
        path: Where it was read from, for the error's text.

    Example:
        >>> check_fields({"nodes": "many"}, "graph.json")
        Traceback (most recent call last):
        ValueError: Expected graph.json to hold a count as nodes. Received: 'many'. The file is \
damaged; build the graph anew.
    """
    for field, kind, value in _fields_of(info):
        if not _KINDS[kind](value):
            _raise_damaged(path, f"{kind} as {field}", value)
    edges = sum(shard["edges"] for shard in info["shards"])
    if edges != info["edges"]:
        _raise_damaged(path, f"the sum of its shards' edges, {edges}, as edges", info["edges"])


def _fields_of(info: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yields each field to be checked, what it shall be, and what it is.

    What a field is in is checked before it is asked for.
    """
    for field, kind in _REQUIRED.items():
        yield field, kind, info.get(field)
    for number, shard in enumerate(info["shards"]):
        yield f"shards[{number}]", "an object", shard
        for field, kind in _OF_A_SHARD.items():
            yield f"shards[{number}].{field}", kind, shard.get(field)
    for path, kind in _OPTIONAL.items():
        *above, field = path.split(".")
        place: Any = info
        for name in above:
            place = place.get(name) or {}
        if place.get(field) is not None:
            yield path, kind, place[field]


def _raise_damaged(path: str, expected: str, received: Any) -> NoReturn:
    shown = repr(received)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    raise ValueError(
        f"Expected {path} to hold {expected}. Received: {shown}. The file is damaged; build the "
        "graph anew."
    )
