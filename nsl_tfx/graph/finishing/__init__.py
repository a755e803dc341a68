"""From edges, found or read, to a whole graph and its files.

Edges are merged, symmetrized, sorted and counted by `completion`, in memory or range by range;
`transform`, where to begin, does so with workers of Beam, and `description` tells of it.
"""
