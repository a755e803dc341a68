"""What `graph.json` tells about a graph, and the few numbers of it that people compare."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from nsl_tfx.configs import DanglingIds, SimilarityGraphConfig, Symmetrize
from nsl_tfx.graph.completion import Completion
from nsl_tfx.graph.counting import GraphCounts
from nsl_tfx.graph.metrics import measure_graph, summarize_counts
from nsl_tfx.graph.naming import name_some
from nsl_tfx.graph.similarity import SimilarityGraph

_HEADLINES = (
    "mean_degree",
    "isolated_nodes",
    "isolated_share",
    "components",
    "largest_component_share",
    "reciprocity",
    "cross_split_edges",
)
_SETTINGS = ("similarity", "similarity_threshold", "num_neighbors", "symmetrize")


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


def describe_counts(
    counts: GraphCounts, how: Completion, info: Mapping[str, Any], labeled: bool | None = None
) -> dict[str, Any]:
    """Returns the further content of a finished graph's `graph.json`.

    Args:
        counts: Of the whole graph.
        how: What became of its edges.
        info: How the graph was made; its `drops` are kept beside those counted here.
        labeled: Whether label agreement is reported; where any node has a label, when None.

    Raises:
        ValueError: Ids that no example has were found, and are to be refused.
    """
    if how.dangling is DanglingIds.ERROR and counts.dangling_ids:
        raise ValueError(
            f"Expected edges only between ids of examples. Received {counts.dangling_edges} edges "
            f"of {counts.dangling_ids} ids that no example has: "
            f"such as {name_some(counts.dangling_names)}. Read the splits that hold them, or set "
            "dangling to keep or drop such edges."
        )
    drops = {"duplicates": counts.duplicates, "not_mutual": counts.not_mutual}
    if how.dangling is DanglingIds.DROP:
        drops["dangling"] = counts.dangling_edges
    metrics = summarize_counts(
        counts,
        directed=how.directed,
        labeled=len(counts.labels) > 0 if labeled is None else labeled,
        split=any(name for ends in counts.between_splits for name in ends),
    )
    return {
        **info,
        "directed": how.directed,
        "drops": {**info.get("drops", {}), **drops},
        "metrics": metrics.to_dict(),
    }


def headline_numbers(info: Mapping[str, Any]) -> dict[str, int | float | str]:
    """Returns the numbers that a person compares between graphs, by name.

    Args:
        info: The content of a built graph's `graph.json`.
    """
    config, metrics = info.get("config") or {}, info["metrics"]
    agreement, dangling = (metrics.get(name) or {} for name in ("label_agreement", "dangling"))
    recall = info.get("recall")
    if not isinstance(recall, Mapping):
        recall = {"share": recall, "low": info.get("recall_low"), "high": info.get("recall_high")}
    reached = info.get("target_recall_reached")
    numbers = {
        "nodes": info["nodes"],
        "edges": info["edges"],
        **{name: metrics.get(name) for name in _HEADLINES},
        **{name: config.get(name) for name in _SETTINGS},
        "method": info.get("method"),
        "config_hash": info.get("config_hash"),
        "recall": recall.get("share"),
        "recall_low": recall.get("low"),
        "recall_high": recall.get("high"),
        "target_recall": config.get("target_recall"),
        # ML Metadata knows no truth values.
        "target_recall_reached": None if reached is None else int(reached),
        "label_agreement": agreement.get("share"),
        "label_agreement_low": agreement.get("low"),
        "label_agreement_high": agreement.get("high"),
        "label_agreement_chance": agreement.get("chance"),
        "label_agreement_pairs": agreement.get("pairs"),
        "dangling_ids": dangling.get("ids"),
        "dangling_edges": dangling.get("edges"),
        **{f"dropped_{cause}": count for cause, count in info.get("drops", {}).items() if count},
    }
    return {name: value for name, value in numbers.items() if value is not None}
