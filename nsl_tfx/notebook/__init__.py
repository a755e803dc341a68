"""Artifacts as a notebook shows them: a graph with a sample of its neighbors, and an evaluation.

With the components imported in a notebook, TFX's `context.show(...)` shows both. Without TFX's
context, `show_graph` and `show_evaluation` take the folder that holds the files.
"""

from nsl_tfx.notebook.evaluation_view import evaluation_html
from nsl_tfx.notebook.graph_view import graph_html
from nsl_tfx.notebook.showing import show_evaluation, show_graph

__all__ = ["evaluation_html", "graph_html", "show_evaluation", "show_graph"]
