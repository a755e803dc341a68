"""What a graph is like, as a table for a person."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nsl_tfx.graph.reporting.measured import AnyGraph, info_of
from nsl_tfx.graph.reporting.wording import count_of, short_number
from nsl_tfx.io.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

_QUANTILES = {"0.0": "min", "0.05": "5 %", "0.5": "median", "0.95": "95 %", "1.0": "max"}
_AT_CAP = "nodes_at_cap"
_SETTINGS = ("similarity", "num_neighbors", "similarity_threshold", "symmetrize")
_GAP = 3


@dataclasses.dataclass(frozen=True, repr=False)
class Summary:
    """What a graph is like; shows itself in a notebook, to `print`, and to Rich.

    Attributes:
        rows: What is told of, and the text.

    Example:
        >>> print(Summary((("nodes", "3"), ("edges", "2, joining 1 pair both ways"))))
        nodes   3
        edges   2, joining 1 pair both ways
    """

    rows: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        width = max((len(name) for name, _ in self.rows), default=0) + _GAP
        return "\n".join(f"{name:{width}}{text}" for name, text in self.rows)

    def __repr__(self) -> str:
        # What an interactive Python shows.
        return str(self)

    def __rich__(self) -> Table:
        from rich.markup import escape
        from rich.table import Table

        table = Table(show_header=False, box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, text in self.rows:
            # A part of an id may look like one of Rich's tags.
            table.add_row(name, escape(text))
        return table

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **kwargs: Any) -> Any:
        # What a notebook asks for. It takes the table's, and not the text without its columns.
        return self.__rich__()._repr_mimebundle_(include or (), exclude or (), **kwargs)


def summarize(graph: AnyGraph) -> Summary:
    """Returns a table of a graph's size, shape and quality, and of how it was made.

    Args:
        graph: The folder of its files; or a graph in memory, which is measured where that was not
            done yet.

    Raises:
        FileNotFoundError: The folder holds no graph, or not all of its files.
        TypeError: It is no graph.
        ValueError: A file is damaged or another run's, or the graph in memory has no node.

    Example:
        >>> from nsl_tfx.graph import Graph
        >>> print(str(summarize(Graph.from_edges(["a"], ["b"]))).splitlines()[0])
        nodes             2
    """
    return Summary(tuple(summary_rows(info_of(graph))))


def summary_rows(info: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns the table's rows: what is told of, and the text; what is not known is left out.

    Args:
        info: The content of `graph.json`.

    Example:
        >>> from nsl_tfx.graph import EdgeList, measure_graph
        >>> metrics = measure_graph(3, EdgeList([0, 1], [1, 0], [0.5, 0.5])).to_dict()
        >>> for row in summary_rows({"nodes": 3, "edges": 2, "metrics": metrics}):
        ...     print(*row, sep=": ")
        nodes: 3, of which 1 (33.3 %) without an edge
        edges: 2, joining 1 pair both ways
        edges of a node: mean 0.667, median 1, 99 % 1, max 1
        components: 2, the largest of 2 nodes (66.7 %)
        weights: all 0.5
    """
    metrics = info.get("metrics") or {}
    return [
        (name, text)
        for name, text in (
            ("nodes", _nodes(info, metrics)),
            ("edges", _edges(info, metrics)),
            ("edges of a node", _degrees(metrics, "degree_quantiles", metrics.get("mean_degree"))),
            ("edges to a node", _degrees(metrics, "in_degree_quantiles", None)),
            ("components", _components(info, metrics)),
            ("weights", _weights(metrics)),
            ("label agreement", _agreement(metrics)),
            ("recall", _recall(info)),
            ("across splits", _across_splits(info, metrics)),
            ("unknown ids", _dangling(metrics)),
            ("dropped", _drops(info)),
            ("at the cap", _at_cap(info)),
            ("method", _method(info)),
            ("not measured", ", ".join(_reasons(metrics))),
        )
        if text
    ]


def _nodes(info: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    text = f"{info['nodes']:,}"
    if metrics.get("isolated_nodes"):
        share = _percent(metrics["isolated_share"])
        text += f", of which {metrics['isolated_nodes']:,} ({share}) without an edge"
    return text


def _edges(info: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    text = f"{info['edges']:,}"
    if not metrics:
        return text
    pairs = count_of(metrics["pairs"], "pair")
    if metrics.get("reciprocity") is not None:
        text += f", joining {pairs}; {_percent(metrics['reciprocity'])} have a reverse"
    else:
        text += f", joining {pairs} both ways" if metrics["pairs"] else ""
    loops = metrics.get("self_loops")
    return text + (f"; {count_of(loops, 'edge')} from a node to itself" if loops else "")


def _degrees(metrics: Mapping[str, Any], name: str, mean: float | None) -> str:
    quantiles = metrics.get(name)
    if not quantiles:
        return ""
    text = f"median {quantiles['0.5']:,}, 99 % {quantiles['0.99']:,}, max {quantiles['1.0']:,}"
    return text if mean is None else f"mean {short_number(mean, 3)}, {text}"


def _components(info: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    if metrics.get("components") is None:
        return ""
    if metrics["components"] == 1:
        return "1"
    share = metrics["largest_component_share"]
    size = count_of(round(share * info["nodes"]), "node")
    return f"{metrics['components']:,}, the largest of {size} ({_percent(share)})"


def _weights(metrics: Mapping[str, Any]) -> str:
    quantiles = metrics.get("weight_quantiles") or {}
    known = {name: quantiles[key] for key, name in _QUANTILES.items() if key in quantiles}
    if {"min", "max"} <= {*known} and known["min"] == known["max"]:
        return f"all {short_number(known['min'], 4)}"
    return ", ".join(f"{name} {short_number(weight, 4)}" for name, weight in known.items())


def _agreement(metrics: Mapping[str, Any]) -> str:
    agreement = metrics.get("label_agreement") or {}
    if agreement.get("share") is None:
        return ""
    text = _interval(agreement)
    if agreement.get("chance") is not None:
        text += f"; by chance {_percent(agreement['chance'])}"
    return f"{text}; {count_of(agreement['pairs'], 'labeled pair')}"


def _recall(info: Mapping[str, Any]) -> str:
    recall = info.get("recall")
    if recall is None:
        return ""
    if not isinstance(recall, Mapping):
        recall = {"share": recall, "low": info.get("recall_low"), "high": info.get("recall_high")}
    if recall.get("share") is None:
        return ""
    if (recall.get("low"), recall.get("high")) == (0, 1):
        # The interval of no trial at all.
        return "not measured: no sampled node has a neighbor to find"
    nodes = recall.get("nodes")
    return _interval(recall) + (f"; measured on {count_of(nodes, 'node')}" if nodes else "")


def _interval(estimate: Mapping[str, Any]) -> str:
    text = _percent(estimate["share"])
    low, high = estimate.get("low"), estimate.get("high")
    if low is None or high is None or round(low, 3) == round(high, 3):
        return text
    return f"{text} ({_percent(low).removesuffix(' %')} to {_percent(high)})"


def _across_splits(info: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    crossing = metrics.get("cross_split_edges")
    if crossing is None or len(metrics.get("split_edges") or {}) == 1:
        return ""
    text = f"{count_of(crossing, 'edge')} ({_percent(crossing / max(1, info['edges']))})"
    ways = [
        f"{source} to {target} {count:,}"
        for source, targets in (metrics.get("split_edges") or {}).items()
        for target, count in targets.items()
        if source != target and count
    ]
    return f"{text}: {', '.join(ways)}" if ways else text


def _dangling(metrics: Mapping[str, Any]) -> str:
    dangling = metrics.get("dangling")
    if not dangling:
        return ""
    shown = ", ".join(map(printable, dangling["names"]))
    return f"{dangling['ids']:,}, at {count_of(dangling['edges'], 'edge')}, such as {shown}"


def _drops(info: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{cause.replace('_', ' ')} {count:,}"
        for cause, count in (info.get("drops") or {}).items()
        if cause != _AT_CAP and isinstance(count, int) and count
    )


def _at_cap(info: Mapping[str, Any]) -> str:
    """Tells of nodes that may have lost edges; without a threshold, all nodes are such."""
    nodes = (info.get("drops") or {}).get(_AT_CAP)
    if not nodes or (info.get("config") or {}).get("similarity_threshold") is None:
        return ""
    return f"{count_of(nodes, 'node')} whose nearest neighbors all reach the threshold"


def _method(info: Mapping[str, Any]) -> str:
    config = info.get("config") or {}
    parts = [str(info["method"])] if info.get("method") else []
    if info.get("method") == "exact" and config.get("method") == "approximate":
        parts[0] += f" ({count_of(info['nodes'], 'node')} are too few to approximate)"
    if info.get("rounds"):
        parts[-1:] = [f"{info.get('method')} in {count_of(info['rounds'], 'round')}"]
        parts.append(f"seed {config.get('random_seed')}")
    parts += [
        f"{name.replace('_', ' ')} {_setting(config[name])}"
        for name in _SETTINGS
        if config.get(name) is not None
    ]
    return ", ".join(parts)


def _setting(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _reasons(metrics: Mapping[str, Any]) -> Iterator[str]:
    for name, reason in (metrics.get("not_measured") or {}).items():
        yield f"{name.replace('_', ' ')} ({reason})"


def _percent(share: float) -> str:
    """Returns a share as text, which says none or all of nothing else."""
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    text = f"{100 * share:.1f} %"
    return {"0.0 %": "<0.1 %", "100.0 %": ">99.9 %"}.get(text, text)
