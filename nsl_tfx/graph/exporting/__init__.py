"""A graph's files in the forms of others.

`export`, where to begin, chooses among them; `text` writes TSV and `tfgnn` what TF-GNN reads.
"""

from nsl_tfx.graph.exporting.export import export_graph

__all__ = ["export_graph"]
