"""Reading ML Metadata: which runs there were, what they made, and where a model comes from.

Begin with `open_store`; `tables.py` has the frames, `walking.py` the lineage. Nothing here knows
TFX or a pipeline: it reads what any of TFX's runners has written.

Example:
    >>> import nsl_tfx as nsl
    >>> store = nsl.metadata.open_store("nsl-tfx-demo/seed-0")  # doctest: +SKIP
    >>> nsl.metadata.compare(store, "RobustnessEvaluation")  # doctest: +SKIP
"""

from nsl_tfx.metadata.opening import open_store
from nsl_tfx.metadata.records import ArtifactRecord, ExecutionRecord, RunRecord
from nsl_tfx.metadata.selecting import find_artifact, last_outputs
from nsl_tfx.metadata.tables import artifacts, compare, executions, runs
from nsl_tfx.metadata.walking import Lineage, lineage

__all__ = [
    "ArtifactRecord",
    "ExecutionRecord",
    "Lineage",
    "RunRecord",
    "artifacts",
    "compare",
    "executions",
    "find_artifact",
    "last_outputs",
    "lineage",
    "open_store",
    "runs",
]
