import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

from nsl_tfx import io
from nsl_tfx.pipelines.digits.data import SPLIT_SIZES, write_digits


def read(folder, split):
    return [
        tf.train.Example.FromString(record).features.feature
        for record in io.read_records(str(folder / split / "*")).as_numpy_iterator()
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    write_digits(str(folder))
    return folder


def test_every_image_is_in_one_split(folder):
    ids = [e["id"].bytes_list.value[0] for split in SPLIT_SIZES for e in read(folder, split)]
    assert len(ids) == len(set(ids)) == 1797


@pytest.mark.parametrize("split", SPLIT_SIZES)
def test_images_and_labels_are_the_originals(folder, split):
    digits = datasets.load_digits()
    examples = read(folder, split)
    assert len(examples) == SPLIT_SIZES[split]
    for example in examples:
        row = int(example["id"].bytes_list.value[0].split(b"-")[1])
        np.testing.assert_allclose(example["image"].float_list.value, digits.data[row] / 16)
        assert example["label"].int64_list.value in ([], [digits.target[row]])


def test_only_training_examples_lack_a_label(folder):
    labelled = {s: sum("label" in e for e in read(folder, s)) for s in SPLIT_SIZES}
    assert labelled == {"train": 100, "eval": 297, "test": 500}


def test_the_seed_decides(folder, tmp_path):
    for seed in (0, 1):
        write_digits(str(tmp_path / str(seed)), seed=seed)
    name = "train/digits.tfrecord.gz"
    original = (folder / name).read_bytes()
    assert (tmp_path / "0" / name).read_bytes() == original
    assert (tmp_path / "1" / name).read_bytes() != original


def test_existing_files_are_left_alone(tmp_path):
    write_digits(str(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    write_digits(str(tmp_path))
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
