"""Ids for examples that have none.

`identity`, where to begin, makes an id of an example's `content`; `transform` does so for files
with Beam, and numbers the `copies` of one example.
"""
