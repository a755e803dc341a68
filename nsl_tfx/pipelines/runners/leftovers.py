"""What a run that was stopped or killed leaves: executions that never end, and half outputs."""

from __future__ import annotations

import os

import ml_metadata
from ml_metadata.proto import metadata_store_pb2 as pb

from nsl_tfx.io.folders import is_remote, names_in, remove
from nsl_tfx.metadata.records import ENDED_UNSEEN

_OPEN = (pb.Execution.NEW, pb.Execution.RUNNING)
# Where TFX keeps, beside the outputs, what an executor tells and its temporary files.
_SYSTEM = os.path.join(".system", "executor_execution")


def settle(
    store: ml_metadata.MetadataStore, run: str, root: str, state: int, is_unseen: bool = False
) -> list[str]:
    """Ends the executions of a run that nobody works on, and removes what they wrote so far.

    TFX publishes a node's artifacts when it succeeds, so none of theirs is in the metadata; but
    their folders are on the disk, where they look like others.

    Args:
        store: The metadata.
        run: The run's id.
        root: Folder of the pipeline's artifacts.
        state: What the executions become, such as `Execution.FAILED`.
        is_unseen: Whether nobody knows when they ended, since their process was killed.

    Returns:
        The ids of the nodes.
    """
    context = store.get_context_by_type_and_name("pipeline_run", run)
    executions = store.get_executions_by_context(context.id) if context else []
    nodes = []
    for execution in executions:
        if execution.last_known_state not in _OPEN:
            continue
        node = _node(store, execution.id)
        # The files first: were this process to end here, the next one would find both again.
        _remove_outputs(os.path.join(root, node), str(execution.id))
        execution.last_known_state = state
        if is_unseen:
            execution.custom_properties[ENDED_UNSEEN].int_value = 1
        store.put_executions([execution])
        nodes.append(node)
    return nodes


def _node(store: ml_metadata.MetadataStore, execution: int) -> str:
    contexts = {one.type: one.name for one in store.get_contexts_by_execution(execution)}
    # TFX names a node's context `<pipeline>.<node id>`; both parts may have points of their own.
    return str(contexts["node"]).removeprefix(f"{contexts['pipeline']}.")


def _remove_outputs(folder: str, execution: str) -> None:
    """Removes `<folder>/<output>/<execution>`, and what TFX keeps for the execution."""
    if not (is_remote(folder) or os.path.isdir(folder)):
        return
    for name in [*names_in(folder), _SYSTEM]:
        remove(os.path.join(folder, name, execution))
