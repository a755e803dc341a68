"""A graph for people: a summary, plots and the numbers to compare.

`measured`, where to begin, takes a folder or a graph in memory alike; `summary` and `plots` show
it, and `headlines` picks what is kept beside a built graph in ML Metadata.
"""

from nsl_tfx.graph.reporting.plots import plot_graph
from nsl_tfx.graph.reporting.summary import summarize

__all__ = ["plot_graph", "summarize"]
