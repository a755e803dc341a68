"""A graph's neighbors, packed into the examples that they are neighbors of.

`matching` tells edges' ends to examples, `choosing` keeps some of them and `packing` writes them.
`augmenting`, where to begin, does it where all fits one worker, and `transform` with Beam.
"""
