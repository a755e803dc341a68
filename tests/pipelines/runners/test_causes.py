"""What a node failed of, in a line or two."""

import errno

import pytest

from nsl_tfx.pipelines.runners.causes import describe, shorten, was_interrupted

TRACEBACK = """RuntimeError in a worker
Traceback (most recent call last):
  File "worker.py", line 3, in process
    raise ValueError("few")
ValueError: few edges
Add more of them.
And more.
"""


def raised(first, second, explicit):
    """Returns an error that came from another, or while it was handled."""
    try:
        try:
            raise first
        except BaseException as error:
            if explicit:
                raise second from error
            raise second  # noqa: B904
    except BaseException as error:
        return error


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("", ""),
        ("one", "one"),
        ("one\n\ntwo\nthree", "one\ntwo"),
        (TRACEBACK, "ValueError: few edges\nAdd more of them."),
        ("x is 3 [while running 'A/B']", "x is 3"),
        ("y" * 1000, "y" * 400 + " ..."),
    ],
)
def test_long_texts_are_shortened(text, short):
    assert shorten(text) == short


@pytest.mark.parametrize(
    ("error", "text"),
    [(ValueError("x"), "ValueError: x"), (AssertionError(), "AssertionError")],
)
def test_the_type_is_told(error, text):
    assert describe(error, "root") == text


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    RuntimeError("database or disk is full"),
    RuntimeError("OSError: [Errno 28] No space left on device [while running 'Write']"),
]


@pytest.mark.parametrize("error", FULL, ids=range(len(FULL)))
@pytest.mark.parametrize("explicit", [True, False])
def test_a_full_disk_is_told_wherever_in_the_chain_it_is(error, explicit):
    for one in (error, raised(error, KeyError("later"), explicit)):
        text = describe(one, "the/root")
        assert text.startswith("No space is left on the disk where the/root lies, or of ")
        assert "the next run reuses the finished nodes" in text


def test_a_full_disk_is_named_by_the_file():
    error = OSError(errno.ENOSPC, "No space left on device", "/x/data")
    assert "on the disk where /x/data lies." in describe(error, "root")


@pytest.mark.parametrize("explicit", [True, False])
def test_what_became_of_ctrl_c_is_known(explicit):
    assert was_interrupted(raised(KeyboardInterrupt(), SystemError("x"), explicit))
    assert not was_interrupted(raised(KeyError(), SystemError("x"), explicit))
