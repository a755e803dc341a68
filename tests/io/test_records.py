import pytest

from nsl_tfx import io


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_round_trip(tmp_path, suffix):
    records = [b"one", b"", b"three"]
    path = str(tmp_path / f"data{suffix}")
    assert io.write_records(path, iter(records)) == 3
    assert list(io.read_records(path).as_numpy_iterator()) == records


def test_the_bytes_depend_on_the_records_alone(tmp_path):
    paths = [tmp_path / name for name in ("a.gz", "b.gz")]
    for path in paths:
        io.write_records(str(path), [b"record"] * 3)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_files_come_sorted_and_once(tmp_path):
    for name in ("b", "a", "c.gz"):
        io.write_records(str(tmp_path / name), [name.encode()])
    patterns = [str(tmp_path / "*"), str(tmp_path / "a")]
    assert list(io.read_records(patterns).as_numpy_iterator()) == [b"a", b"b", b"c.gz"]


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="none does"):
        io.matching_files(str(tmp_path / "*"))
