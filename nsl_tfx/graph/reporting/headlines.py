"""The few numbers of `graph.json` that people compare between graphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
