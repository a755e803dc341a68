"""From files of edges that others wrote to a graph.

`edge_files` reads them, whatever their format; `whole`, where to begin, makes a graph in memory of
them, and `transform` reads them with Beam for `nsl_tfx.graph.finishing`.
"""
