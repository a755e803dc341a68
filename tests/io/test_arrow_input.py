"""What Arrow reads is its own."""

import sys

from nsl_tfx.io.arrow_input import arrow_input


def test_the_content_is_copied_and_not_held():
    content = bytes(range(256)) * 9
    before = sys.getrefcount(content)
    file = arrow_input(content)
    assert sys.getrefcount(content) == before
    assert file.size() == len(content)
    assert file.read() == content
