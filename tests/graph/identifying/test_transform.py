"""Giving ids with Beam: unique, and the same whatever the order, the files and the blocks."""

import ast
import functools

import apache_beam as beam
import pytest
import tensorflow as tf
from apache_beam.testing.util import assert_that
from tensorflow_metadata.proto.v0 import schema_pb2

from nsl_tfx.configs import IdentifyConfig
from nsl_tfx.graph.identifying import transform
from nsl_tfx.graph.identifying.content import ContentReader
from nsl_tfx.graph.identifying.identity import digest_content
from nsl_tfx.graph.identifying.transform import IdentifyExamples, check_one_type
from nsl_tfx.io import read_record_blocks, write_records


def record(value, identity=None):
    example = tf.train.Example()
    example.features.feature["x"].float_list.value.append(value)
    if identity is not None:
        feature = example.features.feature["id"]
        values = feature.int64_list if isinstance(identity, int) else feature.bytes_list
        values.value.append(identity)
    return example.SerializeToString(deterministic=True)


def id_of(value, copy=""):
    return digest_content(ContentReader("id").read(record(value))).hex().encode() + copy.encode()


@pytest.fixture
def identify(tmp_path):
    """Writes each split's files, gives ids, and returns the sorted rows and the counts."""
    runs = iter(range(100))

    def run(splits, config=IdentifyConfig()):  # noqa: B008 - frozen
        folder = tmp_path / str(next(runs))
        files = {}
        for split, contents in splits.items():
            (folder / split).mkdir(parents=True)
            files[split] = [str(folder / split / f"{i}.gz") for i in range(len(contents))]
            for path, records in zip(files[split], contents, strict=True):
                write_records(path, records)
        # Out of the pipeline through files, because the runner gives nothing back.
        paths = [folder / name for name in ("rows", "counts")]
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            rows, counts = pipeline | IdentifyExamples(files, config)
            assert_that(rows, functools.partial(write_sorted, paths[0]), label="rows")
            sums = counts | beam.CombinePerKey(sum)
            assert_that(sums, functools.partial(write_sorted, paths[1]), label="counts")
        rows, counts = (ast.literal_eval(path.read_text()) for path in paths)
        return rows, dict.fromkeys(transform.COUNTS, 0) | dict(counts)

    return run


def write_sorted(path, values):
    path.write_text(repr(sorted(values)))


def ids(rows):
    return [(split, identity) for split, identity, _ in rows]


def counts_of(examples, given=0, duplicates=0, integers=0):
    return {
        "examples": examples,
        "ids_given": given,
        "duplicates": duplicates,
        "integer_ids": integers,
    }


def test_every_example_gets_a_digest_of_its_content(identify):
    rows, counts = identify({"train": [[record(1.0), record(2.0)], [record(3.0)]]})
    assert rows == sorted(
        ("train", id_of(value), record(value, id_of(value))) for value in (1.0, 2.0, 3.0)
    )
    assert counts == counts_of(3, 3)


def test_copies_are_numbered_over_all_splits_in_their_order(identify):
    splits = {"train": [[record(1.0)], [record(1.0), record(2.0)]], "eval": [[record(1.0)]]}
    rows, counts = identify(splits)
    assert ids(rows) == [
        ("eval", id_of(1.0, "-2")),
        *sorted([("train", id_of(1.0)), ("train", id_of(1.0, "-1")), ("train", id_of(2.0))]),
    ]
    assert all(data == record(parse_x(data), identity) for _, identity, data in rows)
    assert counts == counts_of(4, 4, 2)
    other, _ = identify({"eval": splits["eval"], "train": splits["train"]})
    assert ("eval", id_of(1.0)) in ids(other)


def parse_x(data):
    return tf.train.Example.FromString(data).features.feature["x"].float_list.value[0]


MANY = [record(float(i % 7)) for i in range(40)] + [record(float(i)) for i in range(100, 120)]


def test_files_order_blocks_and_parts_do_not_matter(identify, monkeypatch):
    expected = identify({"train": [MANY], "eval": [MANY[:30]]})
    assert len({identity for _, identity, _ in expected[0]}) == 90
    splits = {"train": [MANY[31:][::-1], [], MANY[:31]], "eval": [MANY[:10], MANY[10:30][::-1]]}
    assert identify(splits) == expected
    small = functools.partial(read_record_blocks, max_records=3)
    monkeypatch.setattr(transform, "read_record_blocks", small)
    monkeypatch.setattr(transform, "_BYTES_IN_PART", 50)
    monkeypatch.setattr(transform, "_ROWS_IN_MESSAGE", 5)
    assert identify(splits) == expected


@pytest.mark.parametrize("copies", [1, 3000])
def test_an_example_that_occurs_often(identify, copies):
    rows, counts = identify({"train": [[record(1.0)] * copies, [record(1.0)] * copies]})
    assert counts == counts_of(2 * copies, 2 * copies, 2 * copies - 1)
    numbers = {identity[33:] for _, identity in ids(rows)}
    assert numbers == {b"", *(b"%d" % n for n in range(1, 2 * copies))}


def test_ids_that_are_there_are_kept_with_their_records(identify):
    odd = record(2.0)[:-1] + record(2.0)[-1:] + b"\x4a\x01?"  # with a field that nobody knows
    given = [record(1.0, b"\xff"), record(3.0, b"a"), record(1.0, b"b"), record(4.0, b"")]
    rows, counts = identify({"train": [[*given, record(1.0), odd]]})
    assert rows == sorted(
        [
            ("train", b"\xff", given[0]),
            ("train", b"a", given[1]),
            ("train", b"b", given[2]),
            ("train", id_of(4.0), record(4.0, id_of(4.0))),
            ("train", id_of(1.0), record(1.0, id_of(1.0))),
            ("train", id_of(2.0), record(2.0, id_of(2.0))),
        ]
    )
    assert counts == counts_of(6, 3)


def test_integer_ids_stay_integers(identify):
    rows, counts = identify({"train": [[record(1.0, 7), record(1.0, -1)]]})
    assert rows == [("train", b"-1", record(1.0, -1)), ("train", b"7", record(1.0, 7))]
    assert counts == counts_of(2, integers=2)


def test_giving_ids_twice_changes_nothing(identify):
    first, _ = identify({"train": [MANY]}, IdentifyConfig(prefix="p-"))
    assert all(identity.startswith(b"p-") for _, identity in ids(first))
    again, counts = identify({"train": [[data for _, _, data in first]]})
    assert again == first
    assert counts == counts_of(60)


def test_new_copies_of_examples_with_ids_get_further_numbers(identify):
    first, _ = identify({"train": [[record(1.0)] * 3]})
    kept = [data for _, identity, data in first if not identity.endswith(b"-1")]
    rows, counts = identify({"train": [[record(1.0)] * 2, kept]})
    assert ids(rows) == [("train", id_of(1.0, copy)) for copy in ("", "-1", "-2", "-3")]
    assert counts == counts_of(4, 2, 2)


def test_ids_can_be_replaced(identify):
    splits = {"train": [[record(1.0, b"a"), record(1.0, b"a"), record(2.0, 7)]]}
    rows, counts = identify(splits, IdentifyConfig(existing="replace"))
    bare, _ = identify({"train": [[record(1.0), record(1.0), record(2.0)]]})
    assert rows == bare
    assert counts == counts_of(3, 3, 1)


def test_no_examples(identify):
    assert identify({"train": [[]], "eval": [[], []]}) == ([], counts_of(0))


def fault(records, message, config=IdentifyConfig()):  # noqa: B008 - frozen
    return pytest.param(records, config, message, id=message[:30])


@pytest.mark.parametrize(
    ("records", "config", "message"),
    [
        fault(
            [record(1.0), record(2.0, b"\xff"), record(3.0, b"\xff")],
            r"every id once. Received b'\\xff' in record 3 \(counted from 0\) of .*1.gz and in "
            r"record 2 .*1.gz. Give",
        ),
        fault([record(2.0, b"first")], "id once. Received b'first' in record 1 .* and in record 0"),
        fault([record(2.0, 7), record(1.0, b"7")], "id once. Received b'7'"),
        fault([record(1.0, id_of(5.0)), record(2.0, id_of(5.0))], f"once. Received {id_of(5.0)}"),
        fault([b"text"], r"tf.Example. Received something else in record 1 .*1.gz. Mend that"),
        fault(
            [record(1.0, b"a")],
            "Expected no id in the feature 'id'.*existing='error'. Received: b'",
            IdentifyConfig(existing="error"),
        ),
        fault(
            [],
            "bytes or an integer.*Received: 0.0 in record 0",
            IdentifyConfig(id_feature="x"),
        ),
    ],
)
def test_a_fault_is_named(identify, records, config, message):
    first = record(0.0, None if config.existing == "error" else b"first")
    with pytest.raises(Exception, match=message):
        identify({"train": [[first], [record(9.0), *records]]}, config)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "data.gz"
    write_records(str(path), MANY)
    path.write_bytes(path.read_bytes()[:-20])
    with (
        pytest.raises(Exception, match=r"data\.gz to hold whole TFRecords"),
        beam.Pipeline(runner="FnApiRunner") as pipeline,
    ):
        _ = pipeline | IdentifyExamples({"train": [str(path)]}, IdentifyConfig())


INTEGERS, BYTES = (
    schema_pb2.Schema(feature=[schema_pb2.Feature(name="id", type=kind)])
    for kind in (schema_pb2.INT, schema_pb2.BYTES)
)


@pytest.mark.parametrize(
    ("counts", "schema", "message"),
    [
        (counts_of(3, 3), None, None),
        (counts_of(3, 3), BYTES, None),
        (counts_of(3, 0, integers=3), None, None),
        (counts_of(3, 0, integers=3), INTEGERS, None),
        (counts_of(0), INTEGERS, None),
        (counts_of(3, 1), INTEGERS, "integers in 0 of 3 .* 1 of which .* that declares INT"),
        (counts_of(3, 1, integers=2), None, "integers in 2 of 3 examples, bytes in the others"),
        (counts_of(3, 0, integers=2), INTEGERS, "integers in 2 of 3"),
        (counts_of(3, 0, integers=3), BYTES, "integers in 3 of 3.* declares BYTES"),
    ],
)
def test_ids_are_of_one_type(counts, schema, message):
    if message is None:
        check_one_type(counts, schema, IdentifyConfig())
        return
    with pytest.raises(ValueError, match=message):
        check_one_type(counts, schema, IdentifyConfig())
