"""What `graph.json` tells about a graph in memory, as about one that workers built."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from nsl_tfx.configs import SimilarityGraphConfig, Symmetrize
from nsl_tfx.graph.building.similarity import SimilarityGraph
from nsl_tfx.graph.measuring.measurement import measure_graph


def describe_graph(
    graph: SimilarityGraph,
    labels: Sequence[Hashable | None] | None,
    config: SimilarityGraphConfig,
    split: str | None = None,
) -> dict[str, Any]:
    """Returns plain JSON values: how the graph was made, what was dropped, how good it is.

    Args:
        graph: The graph.
        labels: The label of each row that the graph was built from, in the rows' order, None for a
            row without one; None where there are no labels at all.
        config: What the graph was built with.
        split: The split that all nodes are of; edges across splits are not told of when None.
    """
    # Workers learn of splits from edges: without any, they tell of none.
    splits = [split] * len(graph.ids) if split is not None and len(graph.edges) else None
    ordered = None if labels is None else [labels[row] for row in graph.order]
    return {
        "config": config.to_dict(),
        "config_hash": config.fingerprint(),
        "directed": config.symmetrize is Symmetrize.NONE,
        # A search gives no edge twice.
        "drops": {**graph.drops, "duplicates": 0},
        **graph.search,
        "metrics": measure_graph(len(graph.ids), graph.edges, ordered, splits).to_dict(),
    }
