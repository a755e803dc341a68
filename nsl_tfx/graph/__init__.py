"""Graphs: neighbors from embeddings, files, quality, and joining neighbors to examples.

What is re-exported here works on arrays and files. Each room's Beam transform is its
`transform`, and packing of tf.Examples lies in `nsl_tfx.graph.joining.packing`, so that a graph
can be read without loading Beam or TensorFlow.

Here lies what the rooms share: `edges`, ids and how they are numbered, hashed and named, the
`files` of a graph, and a `graph` in memory. `tests/graph/test_layers.py` has the rooms' order.
"""

from nsl_tfx.graph.building.similarity import SimilarityGraph, build_similarity_graph
from nsl_tfx.graph.edges import EdgeList, symmetrize
from nsl_tfx.graph.exporting.export import export_graph
from nsl_tfx.graph.files import read_edges, read_graph_info, write_graph
from nsl_tfx.graph.graph import Graph, read_graph
from nsl_tfx.graph.measuring.measurement import measure_graph
from nsl_tfx.graph.measuring.metrics import GraphMetrics, LabelAgreement
from nsl_tfx.graph.reporting.plots import plot_graph
from nsl_tfx.graph.reporting.summary import summarize
from nsl_tfx.graph.search import nearest_neighbors, similar_pairs

__all__ = [
    "EdgeList",
    "Graph",
    "GraphMetrics",
    "LabelAgreement",
    "SimilarityGraph",
    "build_similarity_graph",
    "export_graph",
    "measure_graph",
    "nearest_neighbors",
    "plot_graph",
    "read_edges",
    "read_graph",
    "read_graph_info",
    "similar_pairs",
    "summarize",
    "symmetrize",
    "write_graph",
]
