import os
import types
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import trainer


def served_accuracy(folder, files):
    records = list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())
    loaded = tf.saved_model.load(folder)
    found = loaded.signatures["serving_default"](examples=tf.constant(records))
    x = [tf.train.Example.FromString(r).features.feature["x"].float_list.value for r in records]
    return np.mean(np.argmax(found["probabilities"], axis=1) == np.argmax(x, axis=1))


@pytest.mark.slow
def test_trains_and_exports(fn_args, files):
    trainer.run_fn(fn_args)
    assert served_accuracy(fn_args.serving_model_dir, files) > 0.8
    # Nothing is left beside the run: no backup, no probe.
    assert os.listdir(Path(fn_args.model_run_dir).parent) == ["1"]
    assert sorted(os.listdir(fn_args.model_run_dir)) == ["history.csv", "logs"]
    assert not [name for name in os.listdir(fn_args.serving_model_dir) if name.startswith(".")]


@pytest.mark.slow
def test_begins_with_an_earlier_model(fn_args, eval_files, tmp_path, config):
    fn_args.train_steps = 30
    trainer.run_fn(fn_args)
    before = served_accuracy(fn_args.serving_model_dir, [eval_files])
    later = types.SimpleNamespace(**vars(fn_args))
    later.base_model, later.train_steps = fn_args.serving_model_dir, 1
    later.serving_model_dir = str(tmp_path / "2" / "serving")
    later.custom_config = trainer.custom_config(config.replace(learning_rate=1e-7))
    trainer.run_fn(later)
    assert served_accuracy(later.serving_model_dir, [eval_files]) == before
    del later.base_model
    later.base_model = None
    trainer.run_fn(later)
    assert served_accuracy(later.serving_model_dir, [eval_files]) != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"custom_config": None}, r"custom_config=nsl_tfx\.trainer\.custom_config"),
        ({"train_steps": None}, "either TrainerConfig"),
        ({"custom_config": {"nsl_tfx": {"model": "x"}}}, "Received: model"),
        ({"schema_path": None}, "Expected Trainer"),
        ({"schema_path": "/nowhere"}, "Expected a Schema.*no such file"),
        ({"schema_path": __file__}, "Expected a Schema in text form"),
        ({"transform_graph_path": "/nowhere"}, "Expected the folder of a TransformGraph"),
        ({"train_files": ["/nowhere/*"]}, "Expected a file"),
        ({"train_files": []}, "files of examples to train on.*which splits"),
        ({"eval_files": []}, "files of examples to validate on.*which splits"),
        ({"base_model": "/nowhere"}, r"Trainer\(base_model=...\).*/nowhere"),
    ],
)
def test_a_mistake_in_the_pipeline_is_named(fn_args, change, message):
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=message):
        trainer.run_fn(types.SimpleNamespace(**{**vars(fn_args), **change}))
    assert not os.path.exists(f"{fn_args.serving_model_dir}/saved_model.pb")


@pytest.mark.parametrize("name", ["serving_model_dir", "model_run_dir"])
def test_a_folder_that_cannot_be_written_is_named(fn_args, tmp_path, name):
    (tmp_path / "file").write_text("")
    setattr(fn_args, name, str(tmp_path / "file" / "x"))
    with pytest.raises(OSError, match="a folder that can be written to"):
        trainer.run_fn(fn_args)


def test_a_dict_is_no_config():
    with pytest.raises(TypeError, match="to be a TrainerConfig"):
        trainer.custom_config({"model_fn": "a.b"})
