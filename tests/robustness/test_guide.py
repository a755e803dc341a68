"""The programs in docs/robustness.md."""

from __future__ import annotations

import re
import shlex
import types
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from nsl_tfx import io
from nsl_tfx.cli import main
from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.configs.attack_suite import AttackName, AttackPreset
from nsl_tfx.robustness import Verdict, load_model
from nsl_tfx.robustness.models.records import serialize_rows

TEXT = (Path(__file__).parents[2] / "docs/robustness.md").read_text()


def block_with(words, language="python"):
    (found,) = [
        block
        for block in re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
        if words in block
    ]
    return found


def run(words):
    names = {}
    exec(block_with(words), names)
    return types.SimpleNamespace(**names)


@pytest.mark.slow
def test_the_notebook_shows_a_model_of_ones_own(capsys):
    pytest.importorskip("sklearn")
    result = run("result.plot()").result
    assert result.verdict is not Verdict.FAIL
    assert result.model.accuracy.value > 0.85
    assert 0.1 < result.model.robust_accuracy.value < result.model.accuracy.value
    assert "Verdict: " in capsys.readouterr().out


def test_the_export_is_attacked_without_further_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("add_endpoint")
    model = load_model(tmp_path / "serving", ("image",))
    assert model.note == ""
    assert model.function({"image": tf.zeros([2, 64])}).shape == [2, 10]


@pytest.mark.slow
def test_the_command_judges_the_export(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("add_endpoint")
    (tmp_path / "eval").mkdir()
    image = np.random.default_rng(0).random((20, 64)).astype(np.float32)
    records = serialize_rows({"image": image, "label": np.arange(20) % 10})
    io.write_records(str(tmp_path / "eval" / "a.gz"), list(records))
    command = shlex.split(block_with("robustness evaluate", "sh").replace("\\\n", ""))
    result = CliRunner().invoke(main, command[1:])
    # Weights that were drawn at random know no digit.
    assert (result.exit_code, result.output[:13]) == (1, "Verdict: fail")
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert names == {"report.html", "metrics.json", "examples.parquet"}
    assert all(f"`{name}`" in TEXT for name in names)


def test_the_config_of_a_table_is_one():
    config = run("feature_scale").config
    assert config.of_feature(config.feature_scale, "age") == 0
    assert config.epsilon * config.of_feature(config.feature_scale, "income") == 1000


@pytest.mark.tfx
def test_the_gate_stands_in_a_pipeline():
    from tfx import types as tfx_types
    from tfx.types import standard_artifacts

    given = {
        "examples": standard_artifacts.Examples,
        "schema": standard_artifacts.Schema,
        "model": standard_artifacts.Model,
        "baseline": standard_artifacts.Model,
        "evaluator_blessing": standard_artifacts.ModelBlessing,
    }
    names = {name: tfx_types.Channel(type=kind) for name, kind in given.items()}
    exec(block_with("gate ="), names)
    assert names["blessing"].type is standard_artifacts.ModelBlessing
    assert names["gate"].inputs.keys() == {
        "examples", "schema", "model", "baseline_model", "model_blessing",
    }  # fmt: skip


@pytest.mark.parametrize("preset", AttackPreset)
def test_presets_are_told(preset):
    """Each has a row, and the row tells the attacks that are in it and no others."""
    (row,) = re.findall(rf"^\| `{preset.value}` \|.*$", TEXT, re.MULTILINE)
    words = {
        AttackName.NOISE: "noise",
        AttackName.FGSM: "FGSM",
        AttackName.PGD: r"\bPGD",
        AttackName.MIM: "MIM",
        AttackName.APGD_CE: "APGD on the cross-entropy",
        AttackName.APGD_DLR: "APGD on the ratio",
        AttackName.APGD_T: "towards nine other classes",
        AttackName.SQUARE: "Square",
    }
    config = RobustnessConfig(features=("a",), label_feature="y", epsilon=0.1, attacks=preset.value)
    names = set(config.attack_names)
    if "| all," in row:
        assert names == set(AttackName)
    else:
        assert names == {name for name, word in words.items() if re.search(word, row)}


@pytest.mark.parametrize("name", sorted({*RobustnessConfig.__dataclass_fields__} - {"seed"}))
def test_every_setting_is_told(name):
    """Those that pipelines and reports alone need are in the class's own documentation."""
    if name in ("id_feature", "batch_size", "severities"):
        pytest.skip("of no concern to a reader of the guide")
    assert re.search(rf"\b{name}\b", TEXT)
