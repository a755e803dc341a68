import sys
import types

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from nsl_tfx import trainer
from nsl_tfx.fingerprint import code_fingerprint
from nsl_tfx.trainer.run import load_model_fn


@pytest.fixture
def fn_args(tmp_path, files, schema, config):
    """What TFX hands to a `run_fn`, without TFX."""
    (tmp_path / "schema.pbtxt").write_text(text_format.MessageToString(schema))
    return types.SimpleNamespace(
        schema_path=str(tmp_path / "schema.pbtxt"),
        train_files=[files],
        eval_files=[files],
        train_steps=60,
        eval_steps=None,
        custom_config=trainer.custom_config(config),
        serving_model_dir=str(tmp_path / "serving"),
        model_run_dir=str(tmp_path / "run"),
    )


def served_accuracy(folder, files):
    records = list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())
    found = tf.saved_model.load(folder).signatures["serving_default"](examples=tf.constant(records))
    x = [tf.train.Example.FromString(r).features.feature["x"].float_list.value for r in records]
    return np.mean(np.argmax(found["probabilities"], axis=1) == np.argmax(x, axis=1))


@pytest.mark.slow
def test_trains_and_exports(fn_args, files):
    trainer.run_fn(fn_args)
    assert served_accuracy(fn_args.serving_model_dir, files) > 0.8
    assert list(tf.io.gfile.glob(f"{fn_args.model_run_dir}/logs/train/*"))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model(fn_args, files, schema, config):
    def weights(config):
        return trainer.train(config, schema, [files], [files], 5, fn_args.model_run_dir)

    first, again, other = (
        weights(config.replace(seed=seed)).get_weights()[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"custom_config": None}, r"custom_config=nsl_tfx\.trainer\.custom_config"),
        ({"train_steps": None}, "a positive number of steps"),
        ({"custom_config": {"nsl_tfx": {"model": "x"}}}, "Received: model"),
    ],
)
def test_a_mistake_in_the_pipeline_is_named(fn_args, change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        trainer.run_fn(types.SimpleNamespace(**{**vars(fn_args), **change}))


@pytest.mark.parametrize(
    "source",
    [
        "def make(config): return {}",
        "import functools\nmake = functools.partial(dict, width={})",
        "class Make:\n  def __call__(self, config): return {}\nmake = Make()",
    ],
    ids=["function", "partial", "object"],
)
def test_other_code_is_told_apart(tmp_path, monkeypatch, config, source):
    """TFX reuses a trained model where `custom_config` is the same."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "a_model", raising=False)
    codes = []
    for width in (1, 1, 2):
        (tmp_path / "a_model.py").write_text(source.format(width))
        code_fingerprint.cache_clear()
        codes.append(trainer.custom_config(config.replace(model_fn="a_model.make")))
    assert codes[0] == codes[1] != codes[2]


def test_a_dict_is_no_config():
    with pytest.raises(TypeError, match="to be a TrainerConfig"):
        trainer.custom_config({"model_fn": "a.b"})


@pytest.mark.parametrize(
    "path", ["os.sep", "no_such_module.make", "tests.trainer.models.nothing", "make"]
)
def test_an_unknown_model_fn_is_named(path):
    with pytest.raises(ValueError, match="importable function"):
        load_model_fn(path)
