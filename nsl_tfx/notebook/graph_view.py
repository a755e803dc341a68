"""A graph in a notebook: its numbers, its histograms, and a sample of its neighbors."""

from __future__ import annotations

import os
import tempfile

from nsl_tfx.graph.files import read_graph_info
from nsl_tfx.graph.reporting.headlines import headline_numbers
from nsl_tfx.notebook.features import find_features
from nsl_tfx.notebook.page import png_address, render
from nsl_tfx.notebook.sampling import sample_neighborhoods

# What a person asks first, of what graph.json holds.
_NUMBERS = {
    "nodes": "nodes",
    "edges": "edges",
    "mean_degree": "edges of a node",
    "isolated_nodes": "nodes without any",
    "label_agreement": "label agreement",
}
_SHARES = frozenset({"label_agreement"})


def graph_html(
    folder: str,
    examples: str | None = None,
    id_feature: str | None = None,
    nodes: int = 5,
    neighbors: int = 4,
    seed: int = 0,
) -> str:
    """Returns a graph as a part of a page: numbers, histograms of degrees and weights, a sample.

    Args:
        folder: Of the graph's files.
        examples: Folder of the Examples that are its nodes, whose features are told beside their
            ids; without it, ids alone.
        id_feature: The examples' feature with the id; that of the graph's config by default.
        nodes: How many nodes are shown, at most.
        neighbors: How many neighbors of each, at most.
        seed: Of the sample.

    Raises:
        FileNotFoundError: The folder holds no graph.
        ValueError: A file is damaged.
    """
    info = read_graph_info(folder)
    numbers = headline_numbers({"metrics": {}, **info})
    sample = sample_neighborhoods(folder, nodes, neighbors, seed)
    ids = {one.node for one in sample} | {id_ for one in sample for id_, _ in one.neighbors}
    name = id_feature or (info.get("config") or {}).get("id_feature") or "id"
    features = find_features(examples, ids, name) if examples else {}
    picture, reason = _histograms(folder)
    return render(
        "graph.html.j2",
        folder=folder,
        numbers=[
            (words, _number(key, numbers[key])) for key, words in _NUMBERS.items() if key in numbers
        ],
        picture=picture,
        reason=reason,
        sample=[
            {
                "node": _text(one.node),
                "features": features.get(one.node, ""),
                "degree": one.degree,
                "neighbors": [
                    {"node": _text(id_), "weight": weight, "features": features.get(id_, "")}
                    for id_, weight in one.neighbors
                ],
            }
            for one in sample
        ],
        has_features=bool(features),
    )


def _number(key: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if key in _SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _text(id_: bytes) -> str:
    return id_.decode("utf-8", "backslashreplace")


def _histograms(folder: str) -> tuple[str | None, str]:
    """Returns the picture's address, or None and why there is none."""
    try:
        from nsl_tfx.graph.reporting.plots import plot_graph

        with tempfile.TemporaryDirectory() as temporary:
            path = os.path.join(temporary, "graph.png")
            plot_graph(folder, path)
            with open(path, "rb") as file:
                return png_address(file.read()), ""
    except ImportError as error:
        return None, f"Install Matplotlib to see histograms ({error})."
    except ValueError as error:
        # A graph without metrics is one all the same.
        return None, str(error)
