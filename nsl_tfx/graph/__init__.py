"""Graphs: neighbors from embeddings, files, quality, and joining neighbors to examples.

What is re-exported here works on arrays and files. The Beam transforms lie in
`nsl_tfx.graph.building` and `nsl_tfx.graph.joining`, and packing of tf.Examples in
`nsl_tfx.graph.packing`, so that a graph can be read without loading Beam or TensorFlow.
"""

from nsl_tfx.graph.edges import EdgeList, symmetrize
from nsl_tfx.graph.exporting import export_graph
from nsl_tfx.graph.files import read_edges, read_graph_info, write_graph
from nsl_tfx.graph.graph import Graph, read_graph
from nsl_tfx.graph.metrics import GraphMetrics, LabelAgreement, measure_graph
from nsl_tfx.graph.plots import plot_graph
from nsl_tfx.graph.search import nearest_neighbors, similar_pairs
from nsl_tfx.graph.similarity import SimilarityGraph, build_similarity_graph
from nsl_tfx.graph.summary import summarize

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
