"""Files of edges that others wrote, of several formats, as record batches of checked edges."""

from nsl_tfx.graph.importing.edge_files.finding import EdgeFile, find_edge_files
from nsl_tfx.graph.importing.edge_files.reading import EdgeBlock, read_edge_file

__all__ = ["EdgeBlock", "EdgeFile", "find_edge_files", "read_edge_file"]
