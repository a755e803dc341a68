"""Metadata as TFX's runners write it, made by ML Metadata's own means, without a pipeline."""

from __future__ import annotations

import uuid

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

STATES = {
    "complete": pb.Execution.COMPLETE,
    "cached": pb.Execution.CACHED,
    "failed": pb.Execution.FAILED,
    "running": pb.Execution.RUNNING,
    "canceled": pb.Execution.CANCELED,
}


class Writer:
    """Records what runs did.

    Args:
        path: The SQLite file to make, or a ConnectionConfig.
        interactive: Write as TFX's InteractiveContext does, which differs from its runners.
    """

    def __init__(self, path, interactive=False):
        config = path
        if not isinstance(path, pb.ConnectionConfig):
            config = pb.ConnectionConfig()
            config.sqlite.filename_uri = str(path)
            config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self.store = metadata_store.MetadataStore(config)
        self.interactive = interactive
        self._artifacts = 0

    def _context(self, type_, name, **properties):
        kind = pb.ContextType(name=type_, properties=dict.fromkeys(properties, pb.STRING))
        found = self.store.get_context_by_type_and_name(type_, name)
        if found:
            return found
        context = pb.Context(type_id=self.store.put_context_type(kind), name=name, type=type_)
        for key, value in properties.items():
            context.properties[key].string_value = value
        (context.id,) = self.store.put_contexts([context])
        return context

    def artifact(self, type_, uri=None, state=pb.Artifact.LIVE, **properties):
        """Returns an artifact that is recorded when an execution puts it out."""
        self._artifacts += 1
        artifact = pb.Artifact(
            type_id=self.store.put_artifact_type(pb.ArtifactType(name=type_)),
            uri=uri or f"/data/{type_}/{self._artifacts}",
            state=state,
        )
        for name, value in properties.items():
            kind = {int: "int_value", float: "double_value", str: "string_value"}.get(type(value))
            if kind:
                setattr(artifact.custom_properties[name], kind, value)
            else:
                artifact.custom_properties[name].struct_value.update(value)
        return artifact

    def execute(self, pipeline, run, node, inputs=None, outputs=None, state="complete"):
        """Records an execution.

        Args:
            inputs: Key to a recorded artifact.
            outputs: Key to an artifact, which gets its number here if it has none.
        """
        parent = self._context("pipeline", pipeline)
        if self.interactive:
            named = {"pipeline_name": pipeline, "run_id": run}
            contexts = [
                self._context("run", f"{pipeline}.{run}", **named),
                self._context(
                    "component_run", f"{pipeline}.{run}.{node}", component_id=node, **named
                ),
            ]
        else:
            contexts = [
                self._context("pipeline_run", run),
                self._context("node", f"{pipeline}.{node}"),
            ]
            known = self.store.get_parent_contexts_by_context(contexts[0].id)
            if not known:
                self.store.put_parent_contexts(
                    [pb.ParentContext(child_id=contexts[0].id, parent_id=parent.id)]
                )
        module = f"some.where.component.{node.partition('.')[0]}"
        kind = pb.ExecutionType(name=module)
        if self.interactive:
            kind.properties["component_id"] = pb.STRING
        execution = pb.Execution(
            type_id=self.store.put_execution_type(kind),
            name=str(uuid.uuid4()),
            last_known_state=STATES[state],
        )
        if self.interactive:
            execution.properties["component_id"].string_value = node
        pairs = []
        for type_, artifacts in ((pb.Event.INPUT, inputs), (pb.Event.OUTPUT, outputs)):
            for key, artifact in (artifacts or {}).items():
                steps = [pb.Event.Path.Step(key=key), pb.Event.Path.Step(index=0)]
                pairs.append((artifact, pb.Event(type=type_, path=pb.Event.Path(steps=steps))))
        id_, artifact_ids, _ = self.store.put_execution(execution, pairs, [parent, *contexts])
        for (artifact, _), number in zip(pairs, artifact_ids, strict=True):
            artifact.id = number
        return id_


def write_run(writer, pipeline="digits", run="2026-01-01T00:00:00.000001", *, data=None, edges=10,
              blessed=1, robust=0.5, until=None, state="complete"):  # fmt: skip
    """Records the run of a small gate: examples, graph, two models, both verdicts, a push.

    Args:
        data: Examples and graph of an earlier run, which are then cached.
        until: The last node, which ends in `state`.

    Returns:
        Artifacts by a name.
    """
    made = dict(data or {})
    fresh = data is None
    made.setdefault("examples", writer.artifact("Examples", split_names='["train", "eval"]'))
    made.setdefault(
        "graph",
        writer.artifact("nsl_tfx.NeighborGraph", nodes=5, edges=edges, label_agreement=0.75),
    )
    made["baseline"], made["model"] = writer.artifact("Model"), writer.artifact("Model")
    made["evaluation"] = writer.artifact(
        "nsl_tfx.RobustnessEvaluation",
        verdict="pass" if blessed else "fail",
        robust_accuracy=robust,
        blessed=blessed,
    )
    made["first"] = writer.artifact("ModelBlessing", blessed=1)
    made["blessing"] = writer.artifact("ModelBlessing", blessed=blessed, reason="Because.")
    made["pushed"] = writer.artifact("PushedModel", pushed=blessed, is_external=0)
    steps = [
        ("ImportExampleGen", {}, {"examples": "examples"}),
        ("GraphBuilder", {"examples": "examples"}, {"graph": "graph"}),
        ("Trainer.baseline", {"examples": "examples"}, {"model": "baseline"}),
        ("Trainer.regularized", {"examples": "examples", "graph": "graph"}, {"model": "model"}),
        ("Evaluator", {"examples": "examples", "model": "model"}, {"blessing": "first"}),
        (
            "RobustnessEvaluator",
            {"model": "model", "baseline_model": "baseline", "model_blessing": "first"},
            {"blessing": "blessing", "evaluation": "evaluation"},
        ),
        ("Pusher", {"model": "model", "model_blessing": "blessing"}, {"pushed_model": "pushed"}),
    ]
    for node, inputs, outputs in steps:
        is_last = node == until
        cached = not fresh and node in ("ImportExampleGen", "GraphBuilder")
        writer.execute(
            pipeline,
            run,
            node,
            {key: made[name] for key, name in inputs.items()},
            {} if is_last and state != "complete" else {k: made[n] for k, n in outputs.items()},
            state if is_last else "cached" if cached else "complete",
        )
        if is_last:
            break
    return made
