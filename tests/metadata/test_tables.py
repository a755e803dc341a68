import dataclasses

import pandas as pd
import pytest

from nsl_tfx import metadata
from nsl_tfx.metadata.places import find_run
from nsl_tfx.metadata.records import artifact_record
from tests.metadata.conftest import RUNS
from tests.metadata.stores import Writer, write_run


def test_runs_are_counted_by_their_nodes(store):
    frame = metadata.runs(store)
    assert frame["run"].tolist() == [*RUNS, "by hand", "interactive"]
    assert frame["pipeline"].tolist() == ["digits"] * 3 + ["other.one", "notebook"]
    assert frame["state"].tolist() == ["complete", "complete", "failed", "complete", "complete"]
    assert frame["nodes"].tolist() == [7, 7, 6, 1, 2]
    assert frame["complete"].tolist() == [7, 5, 5, 1, 2]
    assert frame["cached"].tolist() == [0, 2, 0, 0, 0]
    assert frame["failed"].tolist() == [0, 0, 1, 0, 0]
    # The third run's only blessing is the first of two.
    assert frame["blessed"].tolist() == [True, False, pd.NA, pd.NA, pd.NA]
    assert frame["pushed"].tolist() == [True, False, pd.NA, pd.NA, pd.NA]
    assert (frame["seconds"] >= 0).all()
    assert str(frame["started"].dt.tz) == "UTC"


def test_only_the_last_runs_of_each_pipeline_are_read(store):
    assert metadata.runs(store, last=1)["run"].tolist() == [RUNS[2], "by hand", "interactive"]
    assert metadata.runs(store, "digits", last=2)["run"].tolist() == RUNS[1:]
    assert metadata.runs(store, last=0).empty


def test_a_killed_run_has_stopped_once_another_began(tmp_path):
    writer = Writer(tmp_path / "metadata.sqlite")
    write_run(writer, run="first", until="Pusher", state="running")
    states = lambda: metadata.runs(writer.store)["state"].tolist()  # noqa: E731
    assert states() == ["running"]
    write_run(writer, run="second")
    assert states() == ["stopped", "complete"]


def test_a_canceled_run_has_stopped(tmp_path):
    writer = Writer(tmp_path / "metadata.sqlite")
    write_run(writer, until="Pusher", state="canceled")
    assert metadata.runs(writer.store)["state"].tolist() == ["stopped"]


def test_metadata_without_a_run_has_empty_tables(tmp_path):
    store = Writer(tmp_path / "metadata.sqlite").store
    for table in (metadata.runs, metadata.executions, metadata.artifacts):
        assert table(store).empty
    with pytest.raises(ValueError, match="a pipeline that has run"):
        metadata.executions(store, "latest")


def test_executions_name_node_state_and_artifacts(store, made):
    first, second, _ = made
    frame = metadata.executions(store, RUNS[1])
    assert frame["node"].tolist() == [
        "ImportExampleGen", "GraphBuilder", "Trainer.baseline", "Trainer.regularized", "Evaluator",
        "RobustnessEvaluator", "Pusher",
    ]  # fmt: skip
    assert frame["type"].tolist()[2:4] == ["Trainer"] * 2
    assert frame["state"].tolist() == ["cached"] * 2 + ["complete"] * 5
    assert frame["run"].unique().tolist() == [RUNS[1]]
    graph = frame[frame["node"] == "GraphBuilder"].iloc[0]
    assert (graph["inputs"], graph["outputs"]) == ((first["examples"].id,), (first["graph"].id,))
    pusher = frame[frame["node"] == "Pusher"].iloc[0]
    assert set(pusher["inputs"]) == {second["model"].id, second["blessing"].id}


def test_many_runs_are_told_as_few_are(store, monkeypatch):
    few = metadata.executions(store), metadata.runs(store)
    monkeypatch.setattr("nsl_tfx.metadata.places._FEW_RUNS", 0)
    many = metadata.executions(store), metadata.runs(store)
    for one, other in zip(few, many, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_one_that_has_not_ended_took_no_time(tmp_path):
    writer = Writer(tmp_path / "metadata.sqlite")
    writer.execute("p", "r", "Trainer", state="running")
    assert metadata.executions(writer.store)["seconds"].isna().all()


def test_points_in_names_part_pipeline_and_node(store):
    (one,) = metadata.executions(store, pipeline="other.one").to_dict("records")
    assert (one["pipeline"], one["node"]) == ("other.one", "Node.with.points")


def test_a_notebooks_components_are_one_run(store):
    frame = metadata.executions(store, "interactive")
    assert frame["node"].tolist() == ["CsvExampleGen", "StatisticsGen", "StatisticsGen"]
    assert frame["state"].tolist() == ["complete", "failed", "complete"]


@pytest.mark.parametrize("type_", ["nsl_tfx.NeighborGraph", "NeighborGraph", "neighborgraph"])
def test_artifacts_have_their_properties_in_columns(store, made, type_):
    frame = metadata.artifacts(store, type_)
    first, _, third = made
    assert frame.index.tolist() == [first["graph"].id, third["graph"].id]
    assert frame["edges"].tolist() == [10, 12]
    assert frame["run"].tolist() == [RUNS[0], RUNS[2]]
    assert frame["node"].unique().tolist() == ["GraphBuilder"]
    assert frame["key"].unique().tolist() == ["graph"]


def test_a_runs_artifacts_are_those_it_used_or_made(store, made):
    first, second, _ = made
    found = metadata.artifacts(store, run=RUNS[1]).index
    assert set(found) == {one.id for one in second.values()}
    assert first["graph"].id in found
    assert metadata.artifacts(store, "Model", pipeline="notebook").empty


def test_a_property_named_like_a_column_is_kept(tmp_path):
    writer = Writer(tmp_path / "metadata.sqlite")
    artifact = writer.artifact("Examples", uri="/here", state=2)
    artifact.custom_properties["uri"].string_value = "/there"
    writer.execute("p", "r", "Gen", {}, {"examples": artifact})
    (row,) = metadata.artifacts(writer.store).to_dict("records")
    assert (row["uri"], row["uri_property"]) == ("/here", "/there")


def test_values_of_every_kind_are_plain(tmp_path):
    writer = Writer(tmp_path / "metadata.sqlite")
    artifact = writer.artifact("Examples", a=1, b=0.5, c="text", d={"x": [1, "y"]})
    artifact.custom_properties["e"].struct_value.update({"__value__": '{"eval": 1.0}'})
    artifact.custom_properties["f"].struct_value.update({"__value__": "no JSON"})
    artifact.custom_properties["g"].bool_value = True
    artifact.custom_properties["h"].SetInParent()
    assert artifact_record(artifact).properties == {
        "a": 1, "b": 0.5, "c": "text", "d": {"x": [1.0, "y"]}, "e": {"eval": 1.0},
        "f": {"__value__": "no JSON"}, "g": True, "h": None,
    }  # fmt: skip


def test_runs_stand_side_by_side(store, made):
    first, _, third = made
    frame = metadata.compare(store, "NeighborGraph")
    assert frame.columns.tolist() == [("digits", run) for run in RUNS]
    rows = {name: row.tolist() for (_, name), row in frame.iterrows()}
    # The second run found the first one's graph in the cache.
    assert rows["artifact"] == [first["graph"].id] * 2 + [third["graph"].id]
    assert rows["edges"] == [10, 10, 12]
    assert set(frame.index.get_level_values("output")) == {"GraphBuilder.graph"}


def test_outputs_of_one_type_stand_below_each_other(store):
    frame = metadata.compare(store, "ModelBlessing", last=2)
    # The third run got no further than the first blessing.
    assert frame.columns.get_level_values("run").tolist() == RUNS[1:]
    assert frame.loc[("RobustnessEvaluator.blessing", "blessed")].tolist() == [0, None]
    assert frame.loc[("Evaluator.blessing", "blessed")].tolist() == [1, 1]


def test_bookkeeping_is_not_compared(store):
    assert "is_external" not in metadata.compare(store, "PushedModel").index.get_level_values(1)


def test_last_outputs_are_the_newest_of_each_node(store, made):
    outputs = metadata.last_outputs(store, "digits")
    assert outputs["GraphBuilder"]["graph"].id == made[2]["graph"].id
    assert outputs["RobustnessEvaluator"] == {}
    assert "Pusher" not in outputs


@pytest.mark.parametrize("name", [RUNS[1], RUNS[1][:10]])
def test_a_run_is_found_by_how_its_name_begins(store, name):
    assert find_run(store, name).name == RUNS[1]


def test_the_latest_run_is_that_of_the_pipeline(store):
    assert find_run(store, "latest", "digits").name == RUNS[2]
    assert find_run(store).name == "interactive"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: metadata.runs(s, "nope"), "digits, notebook, other.one. Received: pipeline='no"),
        (lambda s: metadata.executions(s, "nope"), "Expected the name of a run: latest, inter"),
        (lambda s: metadata.executions(s, ""), "Expected the name of a run"),
        (lambda s: metadata.executions(s, "2026"), "3T00:00:00.000001 of digits begin with"),
        (lambda s: metadata.artifacts(s, "nope"), "Examples, Model, ModelBlessing, "),
        (lambda s: metadata.compare(s, "Graph"), "Expected a type of artifact"),
        (lambda s: metadata.last_outputs(s, "nope"), "Received: pipeline='nope'"),
        (lambda s: metadata.find_artifact(s, "latest nope"), "Expected a type of artifact"),
        (lambda s: metadata.find_artifact(s, 9999), "Received: '9999'"),
        (lambda s: metadata.find_artifact(s, "latest"), "Expected an artifact's number"),
        (lambda s: metadata.find_artifact(s, ""), "Expected an artifact's number"),
    ],
)
def test_a_wrong_name_is_told_beside_the_right_ones(store, call, message):
    with pytest.raises(ValueError, match=message):
        call(store)


def test_an_artifact_is_found_by_number_place_and_type(store, made):
    model = made[2]["model"]
    for name in (model.id, str(model.id), model.uri, "latest model", "Latest  Model"):
        assert metadata.find_artifact(store, name) == model.id


def test_records_are_values(store):
    one = find_run(store)
    assert dataclasses.replace(one) == one
