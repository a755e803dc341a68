"""Pictures of how a graph's degrees and weights are distributed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.reporting.measured import AnyGraph, info_of, weights_of
from nsl_tfx.graph.reporting.wording import count_of
from nsl_tfx.io.paths import path_text
from nsl_tfx.io.publishing import published

# Two of Okabe and Ito's colours, which also color-blind people tell apart; they differ in
# lightness as well.
_BLUE, _ORANGE, _GRAY = "#0072B2", "#E69F00", "#555555"
_FORMS = (".png", ".svg")
# Odd, so that a single weight stands in the middle.
_BINS = 51
# With more degrees than this, their axis is logarithmic.
_MAX_BARS = 60
# Where the fullest bin holds more times the emptiest than this, the count's axis is: degrees fall
# off fast, while the shape of the weights is best seen without.
_MAX_DEGREE_RATIO = 100
_MAX_WEIGHT_RATIO = 10_000
_SETTINGS = {
    "svg.hashsalt": "nsl_tfx",  # else ids inside an SVG are drawn at random
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def check_picture(path: str) -> str:
    """Returns the format of a picture by its file's name.

    Raises:
        ValueError: It ends neither in `.png` nor in `.svg`.

    Example:
        >>> check_picture("graph.svg")
        'svg'
    """
    for ending in _FORMS:
        if path.lower().endswith(ending):
            return ending[1:]
    raise ValueError(f"Expected a picture's name to end in .png or .svg. Received: {path!r}.")


def plot_graph(graph: AnyGraph, path: str | os.PathLike[str]) -> None:
    """Draws histograms of a graph's degrees and of its weights, side by side.

    The picture is the same to the byte for the same graph and Matplotlib, and needs no display.

    Args:
        graph: The folder of its files, or a graph in memory.
        path: The picture to write: `.png` or `.svg`.

    Raises:
        FileNotFoundError: The folder holds no whole graph.
        TypeError: It is no graph, or the picture's name is no path.
        ValueError: A file is damaged, the graph in memory has no node, that in the folder was
            written without metrics, or the picture's name ends otherwise.
    """
    path = path_text(path, "path")
    form = check_picture(path)
    info = info_of(graph)
    _check_metrics(info)
    # Figures made without pyplot need no display and leave no state behind.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_SETTINGS), published(path) as file:
        figure = Figure(figsize=(10, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_degrees(left, info)
        _draw_weights(right, graph, info)
        # Both formats would hold the version or the time, which differ between equal pictures.
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(file, format=form, dpi=150, metadata=metadata)


def weight_counts(
    graph: AnyGraph, low: float, high: float, bins: int = _BINS
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns how many edges have a weight in each of equal ranges, and the ranges' ends.

    Args:
        graph: The folder of its files, one of which is in memory at a time; or one in memory.
        low: Where the first range begins; what lies below counts there too.
        high: Where the last one ends; likewise.
        bins: Number of ranges.
    """
    edges = np.linspace(low, high, bins + 1)
    counts = np.zeros(bins, np.int64)
    for weights in weights_of(graph):
        counts += np.histogram(np.clip(weights.astype(np.float64), low, high), edges)[0]
    return counts, edges


def degree_bins(largest: int) -> NDArray[np.float64]:
    """Returns where ranges of degrees from 1 up end: half between integers, ever wider.

    Example:
        >>> degree_bins(4).tolist()
        [0.5, 1.5, 2.5, 3.5, 4.5]
    """
    if largest <= _MAX_BARS:
        return np.arange(largest + 1) + 0.5
    return np.unique(np.round(np.geomspace(1, largest + 1, _BINS))) - 0.5


def bars_between(bins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns where bars of `degree_bins` begin and end on a logarithmic axis.

    There the middle between 1 and 2 is the root of their product. By half integers the bar of 1
    would be twice as wide as the next one.

    Example:
        >>> bars_between(degree_bins(3)).round(2).tolist()
        [0.71, 1.41, 2.45, 3.46]
    """
    return np.sqrt(np.maximum(bins**2 - 0.25, 0.5))


def _check_metrics(info: Mapping[str, Any]) -> None:
    metrics = info.get("metrics") or {}
    missing = [name for name in ("degree_histogram", "weight_quantiles") if name not in metrics]
    if missing:
        raise ValueError(
            f"Expected a graph whose metrics are known. Received one without {missing[0]}. Plot "
            "it in memory, where it is measured: Graph(graph.ids, graph.edges), of read_graph."
        )


def _draw_degrees(axes: Any, info: Mapping[str, Any]) -> None:
    metrics = info["metrics"]
    outgoing = _degrees(metrics["degree_histogram"])
    incoming = metrics.get("in_degree_histogram")
    series = [("edges from a node" if incoming else "", outgoing, _BLUE)]
    if incoming:
        series.append(("edges to a node", _degrees(incoming), _ORANGE))
    largest = max(1, *(int(degree.max(initial=0)) for _, (degree, _), _ in series))
    bins = degree_bins(largest)
    wide = largest > _MAX_BARS
    if not wide:
        bins = np.concatenate([[-0.5], bins])  # a logarithmic axis has no place for zero
    heights = []
    for name, (degree, nodes), color in series:
        counts = np.histogram(degree, bins, weights=nodes)[0]
        bars = bars_between(bins) if wide else bins
        axes.stairs(counts, bars, fill=color == _BLUE, color=color, label=name, linewidth=1.5)
        heights.append(counts)
    if wide:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_plain_number)
    else:
        _count_in_integers(axes.xaxis)
    _scale_counts(axes, np.concatenate(heights), _MAX_DEGREE_RATIO)
    axes.set(
        title=f"Degrees of {count_of(info['nodes'], 'node')}",
        xlabel="edges of a node" + (_name_isolated(series) if wide else ""),
        ylabel="nodes in each bar" if wide else "nodes",
    )
    if incoming:
        axes.legend(frameon=False)


def _draw_weights(axes: Any, graph: AnyGraph, info: Mapping[str, Any]) -> None:
    axes.set(title=f"Weights of {count_of(info['edges'], 'edge')}", xlabel="weight", ylabel="edges")
    quantiles = info["metrics"]["weight_quantiles"]
    if not quantiles:
        axes.text(0.5, 0.5, "no edges", ha="center", va="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    low, high = quantiles["0.0"], quantiles["1.0"]
    # Weights that are all alike need a range around them.
    size = max(1.0, abs(low), abs(high))
    margin = 0.0 if high - low > 1e-3 * size else 0.05 * size
    counts, edges = weight_counts(graph, low - margin, high + margin)
    axes.stairs(counts, edges, fill=True, color=_BLUE)
    _scale_counts(axes, counts, _MAX_WEIGHT_RATIO)
    median = quantiles["0.5"]
    is_right = median > (low + high) / 2
    axes.axvline(median, color=_GRAY, linestyle="--", linewidth=1)
    axes.annotate(
        f" median {median:.3g} ",
        (median, 1),
        xycoords=("data", "axes fraction"),
        ha="right" if is_right else "left",
        va="top",
        color=_GRAY,
    )


def _degrees(histogram: Mapping[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array([int(key) for key in histogram], np.int64), np.array([*histogram.values()])


def _name_isolated(series: list[tuple[str, Any, str]]) -> str:
    """Returns how many nodes a logarithmic axis has no place for, on a line of its own."""
    parts = [
        " ".join([f"{nodes[degree == 0].sum():,}", *name.split()[1:2]])
        for name, (degree, nodes), _ in series
        if (degree == 0).any()
    ]
    return f"\n(nodes with none, not shown: {', '.join(parts)})" if parts else ""


def _scale_counts(axes: Any, counts: NDArray[Any], max_ratio: float) -> None:
    present = counts[counts > 0]
    top = float(present.max(initial=1))
    if top > max_ratio * present.min(initial=top):
        axes.set_yscale("log")
        axes.set_ylim(0.7, 2 * top)
    else:
        axes.set_ylim(0, 1.1 * top)
        _count_in_integers(axes.yaxis)
    axes.yaxis.set_major_formatter(_plain_number)


def _count_in_integers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))


def _plain_number(value: float, place: int) -> str:
    del place
    return f"{value:,.0f}" if value >= 1 or not value else ""
