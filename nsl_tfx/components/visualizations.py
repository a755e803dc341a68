"""What TFX's InteractiveContext shows of the artifacts, by `context.show(...)`."""

from __future__ import annotations

import os
import sys
from typing import Any

from tfx.orchestration.experimental.interactive import visualizations

from nsl_tfx.components.artifacts import NeighborGraph, RobustnessEvaluation

_METADATA = "metadata.sqlite"


class NeighborGraphVisualization(visualizations.ArtifactVisualization):
    """Numbers, histograms, and a sample of nodes with their neighbors and some features."""

    ARTIFACT_TYPE = NeighborGraph

    def display(self, artifact: Any) -> None:
        """Shows one graph below the cell."""
        from nsl_tfx.notebook import show_graph

        show_graph(artifact.uri, examples_of(artifact.uri))


class RobustnessEvaluationVisualization(visualizations.ArtifactVisualization):
    """The verdict in words, the curve, and the report."""

    ARTIFACT_TYPE = RobustnessEvaluation

    def display(self, artifact: Any) -> None:
        """Shows one evaluation below the cell."""
        from nsl_tfx.notebook import show_evaluation

        show_evaluation(artifact.uri)


def examples_of(graph: str) -> str | None:
    """Returns the folder of the examples that a graph was made of; None where nothing tells it.

    InteractiveContext keeps its metadata in the folder of the artifacts, three levels above each.

    Args:
        graph: The graph's URI.
    """
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(graph))), _METADATA)
    if not os.path.isfile(path):
        return None
    from nsl_tfx.metadata import lineage, open_store

    try:
        found = lineage(open_store(path), graph)
    except ValueError:  # somebody else's metadata
        return None
    makers = {
        one.execution for one in found.links if one.is_output and one.artifact == found.artifact
    }
    given = [one for one in found.links if one.execution in makers and one.key == "examples"]
    return found.artifacts[given[0].artifact].uri if given else None


def register_in_notebooks() -> None:
    """Lets `context.show(...)` show the artifacts, where this runs in IPython."""
    # Not asked by an import, which would load IPython into every pipeline's process.
    if "IPython" in sys.modules:
        for one in (NeighborGraphVisualization, RobustnessEvaluationVisualization):
            visualizations.get_registry().register(one)
