"""From examples' vectors to a graph of the most similar ones.

`similarity`, where to begin, builds a graph in memory, and `transform` one of any size with Beam.
Both part what is too large into buckets (`bucketing`) and search them alike (`searching`,
`finding`) with the kernels of `nsl_tfx.graph.search`.
"""

from nsl_tfx.graph.building.similarity import SimilarityGraph, build_similarity_graph

__all__ = ["SimilarityGraph", "build_similarity_graph"]
