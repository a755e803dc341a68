"""Writing TFRecord files: what TensorFlow reads, the same bytes every time."""

import gzip
import io
import random

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from nsl_tfx.io import record_writer
from nsl_tfx.io.content_size import estimate_content_bytes
from nsl_tfx.io.record_writer import write_record_file, write_records_to


@pytest.mark.parametrize("compression", ["", "GZIP"])
@pytest.mark.parametrize(
    "records", [[], [b""], [b"one", b"two"], [bytes(3 << 20), b"x", bytes(range(256)) * 9000]]
)
def test_tensorflow_reads_it(tmp_path, records, compression):
    path = str(tmp_path / ("data.gz" if compression else "data"))
    assert write_record_file(path, iter(records)) == len(records)
    assert list(tf.data.TFRecordDataset(path, compression).as_numpy_iterator()) == records
    size = sum(len(record) + 16 for record in records)
    assert estimate_content_bytes(path) == size


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_scheme_goes_through_tensorflow(tmp_path, suffix):
    path = f"file://{tmp_path}/data{suffix}"
    write_record_file(path, [b"one"])
    assert estimate_content_bytes(path) == 19
    assert list(tf.data.TFRecordDataset(path, "GZIP" if suffix else "")) == [b"one"]


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 60))
def test_blocks_do_not_show(records, block):
    plain, packed = io.BytesIO(), io.BytesIO()
    before = record_writer._BYTES_IN_BLOCK
    record_writer._BYTES_IN_BLOCK = block
    try:
        write_records_to(plain, records, compress=False)
        write_records_to(packed, records, compress=True)
    finally:
        record_writer._BYTES_IN_BLOCK = before
    assert gzip.decompress(packed.getvalue()) == plain.getvalue()


@pytest.mark.parametrize("cores", [1, 3, None])
def test_threads_do_not_show(monkeypatch, cores):
    def written():
        file = io.BytesIO()
        write_records_to(file, [bytes([i]) * 50_000 for i in range(200)], compress=True)
        return file.getvalue()

    expected = written()
    monkeypatch.setattr(record_writer.os, "cpu_count", lambda: cores)
    assert written() == expected


def test_an_error_of_the_source_comes_through(tmp_path):
    def records():
        yield b"one"
        raise ValueError("from the source")

    with pytest.raises(ValueError, match="from the source"):
        write_record_file(str(tmp_path / "data.gz"), records())


def test_sizes_that_cannot_be_right_are_guessed(tmp_path):
    path = tmp_path / "joined.gz"
    streams = [gzip.compress(random.Random(0).randbytes(5000)), gzip.compress(b"end")]
    path.write_bytes(b"".join(streams))
    assert estimate_content_bytes(str(path)) >= 8 * sum(map(len, streams))
    path.write_bytes(b"\x1f\x8b")
    assert estimate_content_bytes(str(path)) == 2
    path.write_bytes(b"")
    assert estimate_content_bytes(str(path)) == 0
