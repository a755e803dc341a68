import networkx
import pytest

from nsl_tfx import metadata
from tests.metadata.stores import Writer, write_run


def graph_of(found):
    """What leads to what, as a library of graphs has it."""
    graph = networkx.DiGraph()
    for link in found.links:
        ends = ("artifact", link.artifact), ("execution", link.execution)
        graph.add_edge(*(reversed(ends) if link.is_output else ends))
    return graph


def test_a_model_leads_to_its_data_and_to_its_push(store, made):
    found = metadata.lineage(store, made[1]["model"].id)
    expected = {one.id for one in made[1].values()}
    assert set(found.artifacts) == expected
    nodes = [one.node for one in found.executions.values()]
    # The baseline's origin is not the model's.
    assert nodes == [
        "ImportExampleGen", "GraphBuilder", "Trainer.regularized", "Evaluator",
        "RobustnessEvaluator", "Pusher",
    ]  # fmt: skip


def test_what_was_cached_leads_to_the_run_that_made_it(store, made):
    found = metadata.lineage(store, made[1]["model"].id)
    runs = {one.node: one.run[:10] for one in found.executions.values()}
    assert runs["GraphBuilder"] == "2026-01-01"
    assert runs["Trainer.regularized"] == "2026-01-02"
    assert "cached" not in {one.state for one in found.executions.values()}


def test_what_failed_is_there(store, made):
    found = metadata.lineage(store, made[2]["model"].id)
    states = {one.node: one.state for one in found.executions.values()}
    assert states["RobustnessEvaluator"] == "failed"
    assert made[2]["evaluation"].id not in found.artifacts


def test_data_leads_to_all_that_came_of_it(store, made):
    first, second, _ = made
    found = metadata.lineage(store, first["examples"].id)
    graph = graph_of(found)
    reached = networkx.descendants(graph, ("artifact", first["examples"].id))
    assert {("artifact", one["pushed"].id) for one in (first, second)} <= reached
    assert set(graph) - {("artifact", first["examples"].id)} == reached | {
        ("execution", min(found.executions))
    }


@pytest.mark.parametrize("name", ["model", "graph", "blessing", "pushed"])
def test_everything_hangs_together(store, made, name):
    found = metadata.lineage(store, made[0][name].id)
    assert networkx.is_weakly_connected(graph_of(found))
    assert networkx.is_directed_acyclic_graph(graph_of(found))


def test_what_only_a_cached_execution_tells_of_is_told_by_it(tmp_path):
    writer = Writer(tmp_path / "metadata.sqlite")
    examples = writer.artifact("Examples")
    writer.execute("p", "r", "Gen", {}, {"examples": examples}, "cached")
    (execution,) = metadata.lineage(writer.store, examples.id).executions.values()
    assert execution.node == "Gen"


def test_a_circle_ends(tmp_path):
    writer = Writer(tmp_path / "metadata.sqlite")
    examples = writer.artifact("Examples")
    writer.execute("p", "r", "Gen", {}, {"examples": examples})
    writer.execute("p", "r", "Again", {"examples": examples}, {"examples": examples})
    assert len(metadata.lineage(writer.store, examples.id).executions) == 2


def test_an_artifact_that_nothing_knows_stands_alone(tmp_path):
    writer = Writer(tmp_path / "metadata.sqlite")
    (number,) = writer.store.put_artifacts([writer.artifact("Examples")])
    found = metadata.lineage(writer.store, number)
    assert (list(found.artifacts), found.executions, found.links) == ([number], {}, ())
    assert found.key_of(number) == ""


def test_the_store_is_asked_by_levels(tmp_path, monkeypatch):
    writer = Writer(tmp_path / "metadata.sqlite")
    made = write_run(writer)
    width = 40
    for i in range(width):
        writer.execute("digits", "again", f"Check{i}", {"model": made["model"]}, {})
    calls = []
    for name in ("get_events_by_artifact_ids", "get_events_by_execution_ids", "get_artifacts_by_id",
                 "get_executions_by_id"):  # fmt: skip
        ask = getattr(writer.store, name)
        monkeypatch.setattr(
            writer.store, name, lambda ids, ask=ask, name=name: calls.append(name) or ask(ids)
        )
    found = metadata.lineage(writer.store, made["model"].id)
    assert len(found.executions) == width + 6
    assert len(calls) < 30


def test_it_is_told_in_frames(store, made):
    found = metadata.lineage(store, made[0]["model"].id)
    nodes, edges = found.nodes(), found.edges()
    assert len(nodes) == len(found.artifacts) + len(found.executions)
    assert len(edges) == len(found.links)
    blessing = nodes[(nodes["kind"] == "artifact") & (nodes["id"] == made[0]["blessing"].id)]
    assert blessing["headline"].tolist() == ["blessed"]
    assert found.key_of(made[0]["model"].id) == "model"
