"""The wire format of a tf.Example, as far as moving its features about needs it.

A serialized tf.Example is one field that holds entries, each of a feature's name and its value. To
move a feature, only names and lengths have to be read and written; values are copied as they are.
The format allows an example to be written in many ways. Here it is brought into one of them, the
canonical one, in which names ascend and nothing is there twice or for nothing; what is written in
an odd way goes through the protobuf library once.
"""

from nsl_tfx.io.wire.framing import (
    encode_varint,
    entry_header,
    features_header,
    frame_features,
    join_features,
)
from nsl_tfx.io.wire.messages import normalize, read_single, read_values
from nsl_tfx.io.wire.splitting import Arrangement, Header, Layout, Split, Splitter

__all__ = [
    "Arrangement",
    "Header",
    "Layout",
    "Split",
    "Splitter",
    "encode_varint",
    "entry_header",
    "features_header",
    "frame_features",
    "join_features",
    "normalize",
    "read_single",
    "read_values",
]
