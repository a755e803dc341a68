"""TFX components: what stands between ExampleGen, Trainer and Pusher.

Raises:
    ImportError: Imported as a top-level `components`. The link of that name in the repository is
        there to be read; a class loaded under two names would be two classes to TFX.
"""

from __future__ import annotations

if __name__ != "nsl_tfx.components":
    raise ImportError(
        f"Expected `import nsl_tfx.components`. Received: `import {__name__}`; the top-level "
        "folder of that name is only a link."
    )

from nsl_tfx.components.artifacts import NeighborGraph, RobustnessEvaluation
from nsl_tfx.components.example_identifier import ExampleIdentifier
from nsl_tfx.components.graph_builder import GraphBuilder
from nsl_tfx.components.graph_importer import GraphImporter
from nsl_tfx.components.neighbor_augmenter import NeighborAugmenter
from nsl_tfx.components.robustness_evaluator import RobustnessEvaluator
from nsl_tfx.components.visualizations import register_in_notebooks

__all__ = [
    "ExampleIdentifier",
    "GraphBuilder",
    "GraphImporter",
    "NeighborAugmenter",
    "NeighborGraph",
    "RobustnessEvaluation",
    "RobustnessEvaluator",
]

register_in_notebooks()
