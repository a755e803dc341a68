"""The artifact types that the components exchange."""

from __future__ import annotations

from tfx.types import artifact


class NeighborGraph(artifact.Artifact):
    """A weighted graph over examples' ids.

    The folder holds `edges-SSSSS-of-NNNNN.parquet` with the columns `source` and `target` (binary
    ids) and `weight` (float32), sorted by source, descending weight and target; and `graph.json`
    with the format's version, the config, counts and quality metrics, written last. The headline
    numbers are custom properties too.

    No `PROPERTIES`: Kubeflow Pipelines v2 rejects declared properties of custom types.
    """

    TYPE_NAME = "nsl_tfx.NeighborGraph"


class RobustnessEvaluation(artifact.Artifact):
    """A model's accuracy under attack.

    The folder holds `metrics.json`, `examples.parquet` (a row an example) and `report.html`. The
    headline numbers are custom properties too.
    """

    TYPE_NAME = "nsl_tfx.RobustnessEvaluation"
