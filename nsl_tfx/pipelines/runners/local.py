"""Running a pipeline on this machine."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, TextIO, TypeVar
from unittest import mock

from absl import logging
from ml_metadata.proto import metadata_store_pb2 as pb
from rich.console import Console
from tfx import v1 as tfx
from tfx.orchestration.portable import launcher
from tfx.proto.orchestration import pipeline_pb2

from nsl_tfx.io.folders import is_remote
from nsl_tfx.io.locks import sole_run_in, sole_user_of
from nsl_tfx.pipelines.runners.beam_runners import check_beam_runners
from nsl_tfx.pipelines.runners.causes import describe, was_interrupted
from nsl_tfx.pipelines.runners.failures import BusyError, NodeFailedError
from nsl_tfx.pipelines.runners.interrupts import lasting_interrupts
from nsl_tfx.pipelines.runners.leftovers import settle
from nsl_tfx.pipelines.runners.parameters import bind_parameters
from nsl_tfx.pipelines.runners.places import (
    check_metadata,
    check_places,
    connect,
    root_of,
    sqlite_file,
)
from nsl_tfx.pipelines.runners.states import NodeState
from nsl_tfx.pipelines.runners.view import RunView

_Held = TypeVar("_Held")

_RESOLVER = "tfx.dsl.components.common.resolver.Resolver"
_NOTHING = "found nothing"
_LOCK_SUFFIX = ".run"
_LOCK_IN_ROOT = ".run"


def run_locally(
    pipeline: tfx.dsl.Pipeline,
    view: RunView | Console,
    parameters: Mapping[str, str] | None = None,
) -> dict[str, NodeState]:
    """Runs a pipeline with LocalDagRunner and shows what becomes of its nodes.

    Where a run ends early, by a failure, by Ctrl-C or killed, no artifact of the unfinished node is
    published, and the next run reuses the finished ones if the pipeline's cache is on. What a
    killed run left is put in order by the next.

    Args:
        pipeline: The pipeline.
        view: Shows the nodes and keeps what becomes of them; a console gets a view of its own.
        parameters: Values of the pipeline's `RuntimeParameter`s by name, as text.

    Returns:
        Node id to "done", "cached" or "skipped".

    Raises:
        ValueError: A folder cannot be written to, the metadata cannot be opened, a Beam runner is
            not installed, or a parameter is unknown, missing or of another type. Nothing was run.
        BusyError: Another run is at work with the same metadata. Nothing was run.
        NodeFailedError: A node failed. Finished nodes are kept.
        KeyboardInterrupt: Ctrl-C or SIGTERM. Finished nodes are kept.
    """
    if isinstance(view, Console):
        view = RunView(view)
    check_places(pipeline)
    check_beam_runners(pipeline)
    run = datetime.datetime.now().isoformat()
    with _sole_run_of(pipeline, run):
        _run(pipeline, view, run, parameters or {})
    return {node: record.state for node, record in view.records.items()}


@contextlib.contextmanager
def only_run_in(folder: str) -> Iterator[None]:
    """Keeps a second run out of a pipeline's folder.

    Args:
        folder: Made where it is missing. The lock goes with the process, however that ends.

    Raises:
        BusyError: Another run is at work there.
    """
    os.makedirs(folder, exist_ok=True)
    busy = (
        f"Expected no other run in {folder}; one is at work there. Wait for it to end, or choose "
    )
    with _locked(sole_run_in(folder, f"{busy}another folder.")):
        yield


def _run(
    pipeline: tfx.dsl.Pipeline, view: RunView, run: str, parameters: Mapping[str, str]
) -> None:
    class BoundRunner(tfx.orchestration.LocalDagRunner):
        def run_with_ir(self, pipeline: Any, *args: Any, **kwargs: Any) -> Any:
            bind_parameters(pipeline, parameters, run)
            return super().run_with_ir(pipeline, *args, **kwargs)

    watch = _Watch(pipeline, view)

    class WatchedLauncher(launcher.Launcher):
        def launch(self) -> Any:
            node = self._pipeline_node
            return watch.follow(node, super().launch)

    # The runner calls nobody back, and what it logs is lost as soon as a library turns logging
    # down; the launcher is the one place that every node passes through.
    with (
        mock.patch.object(launcher, "Launcher", WatchedLauncher),
        view.showing([component.id for component in pipeline.components]),
        lasting_interrupts(),
    ):
        BoundRunner().run(pipeline)


class _Watch:
    """Follows nodes, and tells the view what becomes of them."""

    def __init__(self, pipeline: tfx.dsl.Pipeline, view: RunView) -> None:
        self._connection = pipeline.metadata_connection_config
        self._root = root_of(pipeline)
        self._view = view

    def follow(self, compiled: pipeline_pb2.PipelineNode, launch: Any) -> Any:
        """Runs one node; returns what TFX's launcher returns."""
        node = compiled.node_info.id
        self._view.start(node)
        try:
            execution = launch()
        except KeyboardInterrupt:
            self._view.finish(node, NodeState.STOPPED)
            raise
        except Exception as error:
            if was_interrupted(error):
                self._view.finish(node, NodeState.STOPPED)
                raise KeyboardInterrupt from error
            cause = describe(error, self._root)
            self._view.finish(node, NodeState.FAILED, cause)
            raise NodeFailedError(node, cause) from error
        state, note = self._outcome(execution, compiled)
        self._view.finish(node, state, note)
        if state is NodeState.FAILED:
            raise NodeFailedError(node, note)
        return execution

    def _outcome(self, info: Any, compiled: pipeline_pb2.PipelineNode) -> tuple[NodeState, str]:
        if info is None or info.execution_id is None:
            return NodeState.SKIPPED, "its condition is not met"
        (execution,) = connect(self._connection).get_executions_by_id([info.execution_id])
        if execution.last_known_state == pb.Execution.CACHED:
            return NodeState.CACHED, ""
        if execution.last_known_state != pb.Execution.FAILED:
            return NodeState.DONE, ""
        # A node whose inputs cannot be had fails in the metadata alone, and the runner goes on.
        if compiled.node_info.type.name == _RESOLVER:
            # As in a first run, where there is no model to go on with. Who needs one will fail.
            return NodeState.DONE, _NOTHING
        records = {node: self._view.records[node] for node in compiled.upstream_nodes}
        skipped = [node for node, one in records.items() if one.state is NodeState.SKIPPED]
        if skipped:
            return NodeState.SKIPPED, f"{', '.join(skipped)} was skipped"
        empty = [node for node, one in records.items() if one.note == _NOTHING]
        if empty:
            return (
                NodeState.FAILED,
                f"It needs what {', '.join(empty)} looks for, which is not there.",
            )
        return NodeState.FAILED, "Its inputs cannot be had; the log tells why."


@contextlib.contextmanager
def _sole_run_of(pipeline: tfx.dsl.Pipeline, run: str) -> Iterator[None]:
    """Keeps other runs away, and puts in order what the last one or this one leaves unfinished."""
    connection, root = pipeline.metadata_connection_config, root_of(pipeline)
    file = sqlite_file(connection)
    lock = file + _LOCK_SUFFIX if file else os.path.join(root, _LOCK_IN_ROOT)
    if is_remote(lock):
        check_metadata(connection)
        yield
        return
    busy = (
        f"Expected no other run with {file or root}; one is at work. Wait for it to end, or choose "
        "other metadata and another pipeline_root."
    )
    with _locked(sole_user_of(lock, busy)) as record:
        check_metadata(connection)
        _settle_last(record, connection)
        whole = root if is_remote(root) else os.path.abspath(root)
        _replace(record, json.dumps({"run": run, "root": whole}))
        state = pb.Execution.FAILED
        try:
            yield
        except KeyboardInterrupt:
            state = pb.Execution.CANCELED
            raise
        finally:
            with _uninterrupted():
                settle(connect(connection), run, root, state)
                _replace(record, "")


@contextlib.contextmanager
def _locked(lock: AbstractContextManager[_Held]) -> Iterator[_Held]:
    """Enters a lock, or raises BusyError where another run has it."""
    held = contextlib.ExitStack()
    try:
        found = held.enter_context(lock)
    except RuntimeError as error:
        raise BusyError(str(error)) from None
    with held:
        yield found


def _settle_last(record: TextIO, connection: Any) -> None:
    """Ends what a run that died left open: its lock is free, but it did not empty its record."""
    try:
        last = json.loads(record.read())
    except ValueError:
        return  # Empty, or half written by a run that did not begin.
    nodes = settle(
        connect(connection), last["run"], last["root"], pb.Execution.FAILED, is_unseen=True
    )
    if nodes:
        logging.warning("The last run died in %s; what it left is removed.", ", ".join(nodes))


def _replace(record: TextIO, text: str) -> None:
    record.truncate(0)
    record.write(text)
    record.flush()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Lets a second Ctrl-C wait, where this is the thread that gets it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
