"""Which features examples have, for errors about one that they lack."""

from __future__ import annotations

import difflib

from nsl_tfx.io import RecordBlock
from nsl_tfx.io.wire import Splitter

_SHOWN = 20


def feature_names(records: RecordBlock) -> list[str]:
    """Returns the names of all features that a block's examples have, sorted.

    Raises:
        ValueError: A record is no tf.Example.

    Example:
        >>> from nsl_tfx.io.wire import join_features
        >>> feature_names(("file", 0, [join_features([(b"b", b""), (b"a", b"")])]))
        ['a', 'b']
    """
    splitter = Splitter()
    layouts = {splitter.split(record).layout.names for record in records[2]}
    return sorted({name.decode("utf-8", "backslashreplace") for one in layouts for name in one})


def absent_feature(feature: str, records: RecordBlock, cure: str) -> ValueError:
    """Returns the error that says which features there are instead of one that no example has.

    Args:
        feature: The one that was looked for.
        records: Examples that lack it, and where they come from.
        cure: What to do, where no name is like it.
    """
    names = feature_names(records)
    shown = ", ".join(map(repr, names[:_SHOWN])) or "none"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    near = difflib.get_close_matches(feature, names, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return ValueError(
        f"Expected the feature {feature!r} in the examples of {records[0]}. Received examples "
        f"with the features: {shown}{more}.{guess} {cure}"
    )
