"""What `graph.json` tells about a finished graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsl_tfx.configs import DanglingIds
from nsl_tfx.graph.finishing.completion import Completion
from nsl_tfx.graph.measuring.counting import GraphCounts
from nsl_tfx.graph.measuring.metrics import summarize_counts
from nsl_tfx.graph.naming import name_some


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
