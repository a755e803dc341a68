"""Of which lengths vectors are, counted over all batches."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from nsl_tfx.configs import InvalidExamples, SimilarityGraphConfig
from nsl_tfx.graph.building.blocks import vectors_name
from nsl_tfx.graph.building.vector_batches import dimension_of
from nsl_tfx.graph.naming import name_id

# By length: how many vectors have it, and the smallest of their ids. A plain dict, because Beam
# passes it between workers.
Dimensions = dict[int, tuple[int, list[bytes]]]

_NAMED = 5


def dimensions_of(batch: pa.RecordBatch) -> Dimensions:
    """Returns the one length that the vectors of a batch have."""
    return {dimension_of(batch): (batch.num_rows, sorted(batch.column(0).to_pylist())[:_NAMED])}


def count_dimensions(parts: Iterable[Dimensions]) -> Dimensions:
    """Returns the sum of the counts.

    Example:
        >>> count_dimensions([{2: (1, [b"b"])}, {2: (1, [b"a"]), 3: (1, [b"c"])}])
        {2: (2, [b'a', b'b']), 3: (1, [b'c'])}
    """
    total: Dimensions = {}
    for part in parts:
        for length, (rows, ids) in part.items():
            known_rows, known_ids = total.get(length, (0, []))
            total[length] = (known_rows + rows, sorted(known_ids + ids)[:_NAMED])
    return total


def choose_dimension(dimensions: Dimensions, config: SimilarityGraphConfig) -> tuple[int, int]:
    """Returns the length that most vectors have, the longer of equally frequent ones, and how many.

    Raises:
        ValueError: There are several lengths, and examples of another are not to be dropped.
    """
    if not dimensions:
        return 0, 0
    if len(dimensions) > 1 and config.invalid_examples is InvalidExamples.ERROR:
        # All lengths, because which one is wrong is for the reader to say.
        found = "; ".join(
            f"{length} for {_names(*dimensions[length])}" for length in sorted(dimensions)
        )
        raise ValueError(
            f"Expected the same number of values in the feature {vectors_name(config)!r} of every "
            f"example. Received: {found}. Repair the odd ones, or set invalid_examples='drop'."
        )
    length = max(dimensions, key=lambda one: (dimensions[one][0], one))
    return length, dimensions[length][0]


def _names(rows: int, ids: list[bytes]) -> str:
    shown = ", ".join(map(name_id, ids))
    return shown if rows <= len(ids) else f"{shown} and {rows - len(ids)} more"
