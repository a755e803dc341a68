"""What holds for every component."""

from __future__ import annotations

import json
import os
import warnings

import pytest

from nsl_tfx.configs import (
    AugmentConfig,
    GraphImportConfig,
    IdentifyConfig,
    RobustnessConfig,
    SimilarityGraphConfig,
)
from nsl_tfx.fingerprint import code_fingerprint
from nsl_tfx.io.file_changes import fingerprint_files

pytestmark = pytest.mark.tfx

ROBUSTNESS = RobustnessConfig(
    features=("x",), label_feature="y", epsilon=0.1, min_robust_accuracy=0.5
)
# Its name, its config, and the types of the channels that it needs, by argument.
COMPONENTS = {
    "ExampleIdentifier": (IdentifyConfig(), {"examples": "Examples"}),
    "GraphBuilder": (SimilarityGraphConfig(embedding_feature="x"), {"examples": "Examples"}),
    "GraphImporter": (GraphImportConfig(paths=("edges.tsv",)), {"examples": "Examples"}),
    "NeighborAugmenter": (
        AugmentConfig(features=("x",)),
        {"examples": "Examples", "graph": "NeighborGraph", "schema": "Schema"},
    ),
    "RobustnessEvaluator": (
        ROBUSTNESS,
        {"examples": "Examples", "model": "Model", "schema": "Schema"},
    ),
}


@pytest.fixture
def make(artifacts):
    """Makes a component by its name and config, with its imported inputs as further nodes."""

    def component(name, config):
        from tfx.dsl.components.common.importer import Importer

        from nsl_tfx import components

        nodes = [
            Importer(
                source_uri=f"/{argument}", artifact_type=type(artifacts.empty(kind, argument))
            ).with_id(argument)
            for argument, kind in COMPONENTS[name][1].items()
        ]
        channels = {node.id: node.outputs["result"] for node in nodes}
        return getattr(components, name)(config=config, **channels), nodes

    return component


def test_every_component_is_in_the_table():
    from tfx.dsl.components.base.base_component import BaseComponent

    from nsl_tfx import components

    found = (getattr(components, name) for name in components.__all__)
    assert {c.__name__ for c in found if issubclass(c, BaseComponent)} == set(COMPONENTS)


@pytest.mark.parametrize("name", COMPONENTS)
@pytest.mark.parametrize("wrong", ["dict", "json", "None", "other config", "class"])
def test_a_config_of_another_type_is_refused(make, name, wrong):
    config = COMPONENTS[name][0]
    other = next(c for c, _ in COMPONENTS.values() if type(c) is not type(config))
    received = {
        "dict": config.to_dict(),
        "json": config.to_json(),
        "None": None,
        "other config": other,
        "class": type(config),
    }[wrong]
    with pytest.raises(TypeError) as error:
        make(name, received)
    kind = type(config).__name__
    assert f"Expected config to be of type {kind}. Received: {received!r}" in str(error.value)
    assert f"{kind}.from_dict(...)" in str(error.value)


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_properties_are_the_configs_json_and_the_codes_hash(make, name):
    config = COMPONENTS[name][0]
    component, _ = make(name, config)
    properties = dict(component.exec_properties)
    if name == "GraphImporter":
        assert properties.pop("files") == fingerprint_files(config.paths)
    assert properties == {"config": config.to_json(), "code": code_fingerprint()}
    assert type(config).from_json(component.exec_properties["config"]) == config


def files_and_component(kind, path):
    """Returns a component that names files at the path, and one of these."""
    from tfx.types import channel, standard_artifacts

    from nsl_tfx import components

    if kind == "edges":
        config = GraphImportConfig(paths=(f"{path}/*.tsv",))
        return path / "edges.tsv", lambda: components.GraphImporter(config)
    model = {"path": str(path)}
    config = SimilarityGraphConfig(embedding_model=model)
    examples = channel.Channel(type=standard_artifacts.Examples)
    return path / "variables" / "data", lambda: components.GraphBuilder(examples, config)


@pytest.mark.parametrize("kind", ["edges", "model"])
def test_files_that_change_are_other_settings(kind, tmp_path):
    from types import SimpleNamespace

    file, make_component = files_and_component(kind, tmp_path / "files")

    def by_driver():
        component = make_component()
        early = {**component.exec_properties, "files": "of an earlier moment"}
        driver = component.DRIVER_CLASS(None)
        output = driver.run(SimpleNamespace(exec_properties=early))
        found = {name: value.string_value for name, value in output.exec_properties.items()}
        assert found == component.exec_properties
        return found["files"]

    hashes = [by_driver()]
    file.parent.mkdir(parents=True)
    for content in ("one", "longer", "longer still"):
        file.write_text(content)
        hashes.append(by_driver())
        assert by_driver() == hashes[-1]
    assert len(set(hashes)) == 4


def test_a_driver_adds_nothing_where_no_files_are_named():
    from types import SimpleNamespace

    from nsl_tfx.components.graph_builder import ModelFilesDriver

    config = SimilarityGraphConfig(embedding_feature="x").to_json()
    output = ModelFilesDriver(None).run(SimpleNamespace(exec_properties={"config": config}))
    assert set(output.exec_properties) == {"config"}


@pytest.mark.parametrize("name", COMPONENTS)
def test_compiles_into_a_pipeline(make, name, tmp_path):
    from tfx.dsl.compiler.compiler import Compiler
    from tfx.orchestration import metadata
    from tfx.orchestration.pipeline import Pipeline

    config = COMPONENTS[name][0]
    component, nodes = make(name, config)
    compiled = Compiler().compile(
        Pipeline(
            "common",
            str(tmp_path),
            components=[*nodes, component],
            metadata_connection_config=metadata.sqlite_metadata_connection_config(
                str(tmp_path / "metadata.sqlite")
            ),
        )
    )
    (node,) = (n.pipeline_node for n in compiled.nodes if n.pipeline_node.node_info.id == name)
    assert set(node.outputs.outputs) == set(component.outputs)
    value = node.parameters.parameters["config"].field_value.string_value
    assert json.loads(value) == config.to_dict()


def test_an_evaluator_without_threshold_warns_at_the_line_that_makes_it(artifacts):
    from tfx.types import Channel

    from nsl_tfx.components import RobustnessEvaluator

    channels = {
        argument: Channel(type=type(artifacts.empty(kind, argument)))
        for argument, kind in COMPONENTS["RobustnessEvaluator"][1].items()
    }
    with pytest.warns(UserWarning, match="sets no threshold.*set min_robust_accuracy") as caught:
        RobustnessEvaluator(config=ROBUSTNESS.replace(min_robust_accuracy=None), **channels)
    assert os.path.basename(caught[0].filename) == "test_common.py"


@pytest.mark.parametrize(
    "threshold",
    [
        {"min_accuracy": 0.0},
        {"min_robust_accuracy": 0.0},
        {"min_robust_gain": 0.0},
        {"max_accuracy_drop": 0.0},
    ],
)
def test_an_evaluator_with_any_threshold_is_silent(artifacts, threshold):
    from tfx.types import Channel

    from nsl_tfx.components import RobustnessEvaluator

    channels = {
        argument: Channel(type=type(artifacts.empty(kind, argument)))
        for argument, kind in COMPONENTS["RobustnessEvaluator"][1].items()
    }
    channels["baseline_model"] = channels["model"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        RobustnessEvaluator(
            config=ROBUSTNESS.replace(min_robust_accuracy=None).replace(**threshold), **channels
        )


@pytest.fixture
def evaluator_of_each_run(artifacts):
    """Makes a RobustnessEvaluator whose config is a parameter of the run."""
    from tfx.orchestration.data_types import RuntimeParameter
    from tfx.types import Channel

    from nsl_tfx.components import RobustnessEvaluator

    channels = {
        argument: Channel(type=type(artifacts.empty(kind, argument)))
        for argument, kind in COMPONENTS["RobustnessEvaluator"][1].items()
    }

    def make(default):
        parameter = RuntimeParameter(name="gate", ptype=str, default=default)
        return parameter, RobustnessEvaluator(config=parameter, **channels)

    return make


@pytest.mark.parametrize("default", [None, ROBUSTNESS.to_json()])
def test_an_evaluators_config_may_come_with_each_run(evaluator_of_each_run, default):
    parameter, component = evaluator_of_each_run(default)
    assert component.exec_properties["config"] is parameter
    assert component.exec_properties["code"] == code_fingerprint()


@pytest.mark.parametrize(
    ("default", "error", "message"),
    [
        ("fast", ValueError, "Expected RobustnessConfig as a JSON object"),
        ('{"epsilon": 0.1}', TypeError, "features"),
        (ROBUSTNESS.replace(min_robust_gain=0.0).to_json(), ValueError, "Expected baseline_model"),
    ],
)
def test_the_default_of_a_run_is_checked_at_once(evaluator_of_each_run, default, error, message):
    with pytest.raises(error, match=message):
        evaluator_of_each_run(default)


def test_custom_properties_are_set_by_their_type(artifacts):
    import numpy as np

    from nsl_tfx.components.settings import set_custom_properties

    artifact = artifacts.empty("Model", "model")
    set_custom_properties(artifact, {"i": 3, "f": np.float64(0.5), "s": "text"})
    assert artifact.get_int_custom_property("i") == 3
    assert artifact.get_float_custom_property("f") == 0.5
    assert artifact.get_string_custom_property("s") == "text"
