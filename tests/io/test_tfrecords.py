"""TFRecord files in blocks, against TensorFlow's reader; and what becomes of damaged ones."""

import contextlib
import gzip
import os
import struct

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_tfx.io import read_record_blocks, write_records
from nsl_tfx.io.tfrecords import frame_record

RECORDS = [b"zero", b"", b"\xff\x00" * 3, b"x" * 50, b"four"]


def frames(records=RECORDS):
    return b"".join(map(frame_record, records))


def read(path, *limits):
    blocks = list(read_record_blocks(str(path), *limits))
    starts = [first for _, first, _ in blocks]
    assert starts == [sum(len(b[2]) for b in blocks[:i]) for i in range(len(blocks))]
    assert {file for file, _, _ in blocks} <= {str(path)}
    return [record for _, _, records in blocks for record in records]


@pytest.fixture
def write(tmp_path):
    def file(content, name="data"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return file


@pytest.mark.parametrize("name", ["data", "data.gz"])
def test_reads_what_tensorflow_writes(tmp_path, name):
    path = str(tmp_path / name)
    write_records(path, RECORDS)
    assert read(path) == RECORDS


def test_frames_records_as_tensorflow_does(tmp_path, write):
    path = str(tmp_path / "tensorflow")
    write_records(path, RECORDS)
    assert write(frames()).read_bytes() == (tmp_path / "tensorflow").read_bytes()


@settings(max_examples=50, deadline=None)
@given(
    records=st.lists(st.binary(max_size=40), max_size=30),
    max_records=st.integers(1, 8),
    max_bytes=st.integers(1, 60),
    compressed=st.booleans(),
)
def test_blocks_keep_to_their_limits(tmp_path_factory, records, max_records, max_bytes, compressed):
    path = tmp_path_factory.mktemp("blocks") / "data"
    path.write_bytes(gzip.compress(frames(records)) if compressed else frames(records))
    assert read(path, max_records, max_bytes) == records
    blocks = [block for _, _, block in read_record_blocks(str(path), max_records, max_bytes)]
    for block, following in zip(blocks, [*blocks[1:], None], strict=False):
        assert 1 <= len(block) <= max_records
        assert len(block) == 1 or sum(map(len, block)) <= max_bytes
        # Not smaller than need be, either.
        assert following is None or (
            len(block) == max_records or sum(map(len, [*block, following[0]])) > max_bytes
        )


@pytest.mark.parametrize("length", [1 << 20, (1 << 20) - 16, 3 << 20, (5 << 20) + 7])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_records_that_cross_chunks(write, length, compress):
    records = [b"before", os.urandom(length), b"after", b"x" * length]
    assert read(write(compress(frames(records)))) == records


def test_several_gzip_streams_in_a_row(write):
    # cat a.gz b.gz > c.gz
    parts = [gzip.compress(frames(RECORDS[:2])), gzip.compress(b""), gzip.compress(frames()[36:])]
    assert read(write(b"".join(parts))) == RECORDS


@pytest.mark.parametrize("name", ["data", "data.gz"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_the_content_tells_whether_it_is_gzipped(write, name, compress):
    assert read(write(compress(frames()), name)) == RECORDS


def test_a_length_that_looks_like_gzip(write):
    record = b"x" * 0x08_8B_1F  # gzip's magic bytes and its method, read as a length
    assert frame_record(record).startswith(b"\x1f\x8b\x08")
    assert read(write(frame_record(record))) == [record]


@pytest.mark.parametrize(
    ("name", "content"), [("data", b""), ("data.gz", gzip.compress(b"", mtime=0))]
)
def test_no_records(write, name, content):
    assert read(write(content, name)) == []


def flip(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


LENGTHS = [16 + len(record) for record in RECORDS]
STARTS = [sum(LENGTHS[:i]) for i in range(5)]
WHOLE = gzip.compress(frames())
LYING = struct.pack("<Q", 1 << 60)
LYING = frame_record(LYING)[12:20] + frame_record(LYING)[20:]  # a length and its checksum
DAMAGES = {
    "cut in data": (frames()[:-6], "14 bytes where a record should take 20, at record 4"),
    "cut in a checksum": (frames()[:-1], "19 bytes where a record should take 20"),
    "cut before data": (frames()[: STARTS[4] + 12], "12 bytes where a record should take 20"),
    "cut in a length": (
        frames()[: STARTS[3] + 7],
        "7 bytes where a length should take 12, at record 3",
    ),
    "data": (flip(frames(), STARTS[3] + 20), "data that do not match their checksum, at record 3"),
    "data's checksum": (flip(frames(), STARTS[2] - 1), "data that do not match.*record 1"),
    "length": (flip(frames(), STARTS[2] + 7), "length that does not match.*record 2"),
    "length's checksum": (flip(frames(), STARTS[2] + 9), "length that does not match.*record 2"),
    "first length": (flip(frames(), 0), "length that does not match.*record 0"),
    "enormous length": (
        frames() + LYING,
        f"12 bytes where a record should take {(1 << 60) + 16}.*record 5",
    ),
    "trailing bytes": (frames() + b"more", "4 bytes where a length.*record 5"),
    "text": (b"source\ttarget\t0.5\n", "length that does not match its checksum, at record 0"),
    "a few bytes": (b"abc", "3 bytes where a length"),
    "gzip cut": (WHOLE[:-20], "gzip stream that was cut off"),
    "gzip cut in its trailer": (WHOLE[:-1], "gzip stream that was cut off, at record 5"),
    "gzip cut in its header": (WHOLE[:5], "gzip stream that was cut off, at record 0"),
    "second gzip cut": (WHOLE + WHOLE[:5], "gzip stream that was cut off, at record 5"),
    "gzip's checksum": (flip(WHOLE, -8 % len(WHOLE)), "damaged gzip stream.*data check"),
    "gzip's length": (flip(WHOLE, -4 % len(WHOLE)), "damaged gzip stream.*length check"),
    "bytes after gzip": (WHOLE + b"more", "damaged gzip stream.*at record 5"),
    "gzip of text": (gzip.compress(b"a text of some length"), "length that does not match"),
    "gzip of cut records": (
        gzip.compress(frames()[:-6]),
        "14 bytes where a record should take 20, at record 4",
    ),
    "gzip header alone": (b"\x1f\x8b", "gzip stream that was cut off"),
    "zlib": (b"\x78\x9c" + WHOLE[10:-8], "length that does not match"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["data", "data.gz"])
def test_a_damaged_file_is_named(write, damage, name):
    content, message = DAMAGES[damage]
    path = write(content, name)
    with pytest.raises(ValueError, match=message) as error:
        read(path)
    assert str(error.value).startswith(f"Expected {path} to hold whole TFRecords")
    assert "counted from 0). Write the file anew" in str(error.value)


def test_an_empty_file_named_gz_was_cut_off(write):
    with pytest.raises(ValueError, match="an empty file"):
        read(write(b"", "data.gz"))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_damage_goes_unnoticed(tmp_path_factory, data):
    whole = data.draw(st.sampled_from([frames(), WHOLE]))
    place = data.draw(st.integers(1, len(whole) - 1))
    damaged = data.draw(st.sampled_from([whole[:place], flip(whole, place)]))
    path = tmp_path_factory.mktemp("damaged") / "data"
    path.write_bytes(damaged)
    # Told by no reader: that a plain file ends between two records; a gzip header's clock, system,
    # level and harmless flags.
    if place in STARTS and damaged == frames()[:place]:
        assert read(path) == RECORDS[: STARTS.index(place)]
    elif whole == WHOLE and 3 <= place < 10 and len(damaged) == len(whole):
        with contextlib.suppress(ValueError):
            assert read(path) == RECORDS
    else:
        with pytest.raises(ValueError, match="to hold whole TFRecords"):
            read(path)


def test_what_comes_before_a_damage_is_given_in_blocks(write):
    path = str(write(flip(frames(), STARTS[3] + 20)))
    blocks = read_record_blocks(path, 2)
    assert next(blocks) == (path, 0, RECORDS[:2])
    with pytest.raises(ValueError, match="record 3"):
        next(blocks)


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["data", "data.gz"])
def test_remote_files(name):
    path = f"ram://tfrecords/{name}"
    write_records(path, RECORDS)
    assert read(path) == RECORDS
    damaged = f"ram://tfrecords/damaged-{name}"
    with tf.io.gfile.GFile(damaged, "wb") as file:
        file.write(frames()[:-6])
    with pytest.raises(ValueError, match="14 bytes where a record should"):
        read(damaged)


def test_a_relative_path(write, monkeypatch):
    path = write(frames())
    monkeypatch.chdir(path.parent)
    assert read(path.name) == RECORDS
