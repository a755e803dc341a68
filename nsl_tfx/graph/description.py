"""What `graph.json` tells about a graph, and the few numbers of it that people compare."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from nsl_tfx.configs import SimilarityGraphConfig, Symmetrize
from nsl_tfx.graph.metrics import measure_graph
from nsl_tfx.graph.similarity import SimilarityGraph


def describe_graph(
    graph: SimilarityGraph,
    labels: Sequence[Hashable | None] | None,
    config: SimilarityGraphConfig,
) -> dict[str, Any]:
    """Returns plain JSON values: how the graph was made, what was dropped, how good it is.

    Args:
        graph: The graph.
        labels: The label of each row that the graph was built from, in the rows' order, None for a
            row without one; None where there are no labels at all.
        config: What the graph was built with.
    """
    ordered = None if labels is None else [labels[row] for row in graph.order]
    return {
        "config": config.to_dict(),
        "config_hash": config.fingerprint(),
        "directed": config.symmetrize is Symmetrize.NONE,
        "drops": dict(graph.drops),
        "method": "exact",
        "metrics": measure_graph(len(graph.ids), graph.edges, ordered).to_dict(),
    }


def headline_numbers(info: Mapping[str, Any]) -> dict[str, int | float | str]:
    """Returns the numbers that a person compares between graphs, by name.

    Args:
        info: The content of a built graph's `graph.json`.
    """
    metrics = info["metrics"]
    agreement = metrics["label_agreement"] or {}
    numbers = {
        "nodes": info["nodes"],
        "edges": info["edges"],
        "mean_degree": metrics["mean_degree"],
        "isolated_nodes": metrics["isolated_nodes"],
        "isolated_share": metrics["isolated_share"],
        "components": metrics["components"],
        "largest_component_share": metrics["largest_component_share"],
        "similarity_threshold": info["config"]["similarity_threshold"],
        "num_neighbors": info["config"]["num_neighbors"],
        "symmetrize": info["config"]["symmetrize"],
        "method": info["method"],
        "config_hash": info["config_hash"],
        "label_agreement": agreement.get("share"),
        "label_agreement_low": agreement.get("low"),
        "label_agreement_high": agreement.get("high"),
        "label_agreement_chance": agreement.get("chance"),
        "label_agreement_pairs": agreement.get("pairs"),
    }
    return {name: value for name, value in numbers.items() if value is not None}
