"""Handwritten digits with few labels: the pipeline of `nsl-tfx demo`, meant to be copied."""
