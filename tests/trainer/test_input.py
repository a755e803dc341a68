import copy
import gzip
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import trainer
from nsl_tfx.configs import Task
from nsl_tfx.trainer import make_example_spec, training_dataset, validation_dataset
from nsl_tfx.trainer.example_source import ExampleSource, open_examples
from nsl_tfx.trainer.passes import Share, Start
from nsl_tfx.trainer.survey import survey_validation
from tests.trainer.conftest import make_row, write_rows


@pytest.fixture(params=[0, 100], ids=["read", "kept"])
def config(request, config):
    """Examples are read in each pass, or kept in memory."""
    return config.replace(memory_mb=request.param)


@pytest.fixture
def spec(config, schema):
    return make_example_spec(config, schema)


def take(dataset, batches):
    return list(itertools.islice(dataset.as_numpy_iterator(), batches))


def rows_of(dataset, batches):
    """Returns the features `x` of some batches, `[batches, rows, 3]`."""
    return np.stack([x["x"] for x, _, _ in take(dataset, batches)])


def test_rows_without_label_have_weight_zero(eval_files, spec, config):
    (x, label, weight), *_ = take(validation_dataset(eval_files, spec, config), 1)
    assert weight.tolist() == [1, 0] * 5
    assert label.shape == (10,)
    np.testing.assert_array_equal(label[::2], np.argmax(x["x"], axis=1)[::2])
    assert not label[1::2].any()


@pytest.mark.parametrize(
    ("task", "label", "expected"),
    [
        (Task.BINARY, "yes", lambda x: x[:, :1] > 0),
        (Task.BINARY, "both", lambda x: x[:, :2] > 0),
        (Task.REGRESSION, "height", lambda x: x[:, :1]),
        (Task.REGRESSION, "both", lambda x: x[:, :2] > 0),
    ],
)
def test_labels_of_other_tasks_are_rows_of_numbers(
    eval_files, schema, config, task, label, expected
):
    config = config.replace(task=task, label_feature=label)
    spec = make_example_spec(config, schema)
    (x, found, weight), *_ = take(validation_dataset(eval_files, spec, config), 1)
    assert found.dtype == np.float32
    assert weight.tolist() == [1, 0] * 5
    np.testing.assert_array_equal(found[::2], expected(x["x"][::2]))
    assert not found[1::2].any()


def test_weights_of_examples_and_classes_multiply(files, schema, config):
    weights = {"0": 3.0, "2": 5.0}
    config = config.replace(weight_feature="importance", class_weights=weights)
    spec = make_example_spec(config, schema)
    batches = take(training_dataset(files, spec, config), 4)
    seen = set()
    for x, label, weight in batches:
        for row, number, found in zip(x["x"], label, weight, strict=True):
            by_class = {0: 3.0, 1: 1.0, 2: 5.0}[int(np.argmax(row))]
            assert found in {0.0, by_class, 2 * by_class}
            assert not found or number == np.argmax(row)
            seen.add(float(found))
    assert {0.0, 1.0, 2.0, 3.0, 6.0, 5.0, 10.0} >= seen > {0.0, 1.0}


def test_balanced_classes_weigh_the_same(files, schema, config):
    config = config.replace(class_weights="balanced")
    spec = make_example_spec(config, schema)
    total = np.zeros(3)
    for _, label, weight in take(training_dataset(files, spec, config), 4):
        np.add.at(total, label, weight)
    np.testing.assert_allclose(total, 20 / 3, rtol=1e-6)


def test_missing_neighbors_have_weight_zero(files, spec, config):
    x = {"x": [], "NL_nbr_0_x": [], "NL_nbr_0_weight": []}
    for features, _, _ in take(training_dataset(files, spec, config), 4):
        assert set(features) == set(x)
        for name in x:
            x[name].append(features[name])
    x = {name: np.concatenate(values) for name, values in x.items()}
    present = x["NL_nbr_0_weight"][:, 0] > 0
    assert present.sum() == 14
    np.testing.assert_allclose(x["NL_nbr_0_x"][present], x["x"][present] + 0.1, atol=1e-6)
    assert not x["NL_nbr_0_x"][~present].any()


def test_each_pass_has_all_rows_in_another_order(files, spec, config):
    rows = rows_of(training_dataset(files, spec, config), 8).reshape(2, 40, 3)
    assert np.any(rows[0] != rows[1])
    np.testing.assert_array_equal(*(np.sort(part, axis=0) for part in rows))


def test_without_shuffling_the_order_is_the_files(files, spec, config):
    plain = config.replace(shuffle_buffer=1)
    rows = rows_of(training_dataset(files, spec, plain), 8).reshape(2, 40, 3)
    in_order = rows_of(validation_dataset(files, spec, config), 4).reshape(40, 3)
    np.testing.assert_array_equal(rows, [in_order, in_order])


@pytest.mark.parametrize(
    ("mebibytes", "columns", "kept"), [(1, (3,), True), (1, (30_000,), False), (0, (3,), False)]
)
def test_what_is_kept_fits_the_memory(tmp_path, schema, config, mebibytes, columns, kept):
    config = config.replace(memory_mb=mebibytes, graph=None)
    schema = copy.deepcopy(schema)
    schema.feature[1].shape.dim[0].size = columns[0]
    make = lambda number, x: {"x": np.zeros(columns, np.float32), "label": [0]}  # noqa: E731
    path = write_rows(str(tmp_path / "rows"), seed=0, rows=20, make=make)
    spec = make_example_spec(config, schema)
    batches = training_dataset(path, spec, config)
    shapes = {x["x"].shape for x, _, _ in take(batches, 5)}
    assert shapes == {(10, *columns)}
    assert (open_examples(path, spec, config).rows == 20) == kept


@pytest.mark.parametrize("process_seed", [None, 0, 3])
def test_the_configs_seed_alone_fixes_the_order(files, spec, config, process_seed):
    expected = rows_of(training_dataset(files, spec, config.replace(seed=1)), 4)
    if process_seed is not None:
        tf.random.set_seed(process_seed)
    found = rows_of(training_dataset(files, spec, config.replace(seed=1)), 4)
    np.testing.assert_array_equal(found, expected)
    other = rows_of(training_dataset(files, spec, config.replace(seed=2)), 4)
    assert np.any(found != other)


@pytest.mark.parametrize("rows", [40, None])
@pytest.mark.parametrize("batches_done", [1, 4, 7, 9])
def test_a_later_start_gives_the_batches_that_were_left(files, spec, config, rows, batches_done):
    config = config.replace(batch_size=16)
    whole = rows_of(training_dataset(files, spec, config), batches_done + 3)
    start = Start(batches_done * 16, rows)
    found = rows_of(training_dataset(files, spec, config, start=start), 3)
    np.testing.assert_array_equal(found, whole[batches_done:])


def test_workers_share_each_batch(files, spec, config):
    config = config.replace(batch_size=12)
    whole = rows_of(training_dataset(files, spec, config), 5)
    parts = [
        rows_of(training_dataset(files, spec, config, share=Share(index, 3)), 5)
        for index in range(3)
    ]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    with pytest.raises(ValueError, match="a multiple of the 5 workers"):
        training_dataset(files, spec, config, share=Share(0, 5))


def test_several_files_are_one_set(tmp_path, spec, config):
    for number in range(3):
        write_rows(str(tmp_path / f"{number}.gz"), seed=number, rows=20)
    pattern = str(tmp_path / "*.gz")
    rows = rows_of(training_dataset(pattern, spec, config), 6).reshape(60, 3)
    expected = rows_of(validation_dataset(pattern, spec, config), 6).reshape(60, 3)
    assert np.any(rows != expected)
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(expected, axis=0))


def test_compressed_and_plain_files_mix(tmp_path, files, spec, config):
    write_rows(str(tmp_path / "plain.tfrecord"), seed=7, rows=20)
    both = [files, str(tmp_path / "plain.tfrecord")]
    rows = rows_of(training_dataset(both, spec, config), 6).reshape(60, 3)
    expected = rows_of(validation_dataset(both, spec, config), 6).reshape(60, 3)
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(expected, axis=0))


def cut_off(path):
    content = path.read_bytes()
    path.write_bytes(content[:-20])


def gzip_unnamed(path):
    path.write_bytes(gzip.compress(path.read_bytes()))


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


def without_x(number, x):
    row = make_row(number, x)
    del row["x"]
    return row


@pytest.mark.parametrize(
    ("make", "damage", "message"),
    [
        (make_row, cut_off, r"rows to hold whole TFRecords.* at record 39"),
        (make_row, flip_a_byte, r"rows to hold whole TFRecords.* at record 39"),
        (make_row, gzip_unnamed, r"gzipped files to end in .gz, and no others.*rows\. Rename it"),
        (lambda number, x: {**make_row(number, x), "x": x[:2]}, None, "schema describes.*Key: x"),
        (lambda number, x: {**make_row(number, x), "x": [1]}, None, "schema describes.*Key: x"),
        (without_x, None, "schema describes.*rows: Feature: x .*required"),
    ],
    ids=["cut", "flipped", "gzipped", "short", "integer", "absent"],
)
def test_what_cannot_be_read_is_named_before_the_first_step(
    tmp_path, spec, config, make, damage, message
):
    path = tmp_path / "rows"
    write_rows(str(path), seed=0, rows=40, make=make)
    if damage is not None:
        damage(path)
    with pytest.raises(ValueError, match=message) as error:
        training_dataset(str(path), spec, config)
    assert "{{" not in str(error.value)
    with pytest.raises(ValueError, match=message):
        survey_validation(ExampleSource([str(path)]), spec, config, None)


PARTS = {
    "make_example_spec": lambda config, schema, spec: make_example_spec(config, schema),
    "training_dataset": lambda config, schema, spec: training_dataset("a", spec, config),
    "validation_dataset": lambda config, schema, spec: validation_dataset("a", spec, config),
    "make_regularized_model": lambda config, schema, spec: trainer.make_regularized_model(
        keras.Sequential(), config
    ),
    "train": lambda config, schema, spec: trainer.train(config, None, "a"),
    "export_model": lambda config, schema, spec: trainer.export_model(
        keras.Sequential(), "a", spec, config
    ),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_each_part_asks_for_a_config(part, schema, spec):
    with pytest.raises(TypeError, match="Expected config to be a TrainerConfig"):
        part({"features": ["x"]}, schema, spec)


def test_validation_reads_each_row_once_without_neighbors(files, spec, config):
    batches = take(validation_dataset(files, spec, config.replace(batch_size=16)), 9)
    assert [len(label) for _, label, _ in batches] == [16, 16, 8]
    assert list(batches[0][0]) == ["x"]
