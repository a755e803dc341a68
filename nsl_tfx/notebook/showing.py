"""Handing HTML to the notebook."""

from __future__ import annotations

from typing import Any

from nsl_tfx.notebook.evaluation_view import evaluation_html
from nsl_tfx.notebook.graph_view import graph_html


def show_graph(folder: str, examples: str | None = None, **settings: Any) -> None:
    """Shows a graph below the cell.

    Args:
        folder: Of the graph's files.
        examples: Folder of the examples that are its nodes; see `graph_html`.
        settings: Others of `graph_html`.

    Raises:
        ImportError: IPython is not installed.
        FileNotFoundError: The folder holds no graph.
        ValueError: A file is damaged.
    """
    show(graph_html(folder, examples, **settings))


def show_evaluation(folder: str) -> None:
    """Shows an evaluation of robustness below the cell.

    Args:
        folder: Of the evaluation's files.

    Raises:
        ImportError: IPython is not installed.
        FileNotFoundError: The folder holds no evaluation.
        ValueError: A file is damaged.
    """
    show(evaluation_html(folder))


def show(html: str) -> None:
    """Shows HTML below the cell.

    Raises:
        ImportError: IPython is not installed.
    """
    try:
        from IPython.display import HTML, display
    except ModuleNotFoundError as error:
        raise ImportError(
            'Expected IPython, to show something. Install it: pip install "nsl-tfx[notebook]"'
        ) from error
    display(HTML(html))
