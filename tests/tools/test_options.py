"""Errors in the words of the command line: settings become options, data stays what it is."""

import pytest

from nsl_tfx.tools.options import Flags, name_options

OPTIONS = {
    "source": Flags("--source"),
    "target": Flags("--target"),
    "weight": Flags("--weight"),
    "header": Flags("--header", "--no-header"),
    "directed": Flags("--directed"),
    "delimiter": Flags("--delimiter"),
    "id_feature": Flags("--id-feature"),
    "embedding_feature": Flags("--embedding-feature"),
    "invalid_examples": Flags("--invalid-examples"),
    "paths": Flags("FILES"),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Name it in AConfig.source.", "Name it in --source."),
        ("in AConfig.source, target and weight, or", "in --source, --target and --weight, or"),
        ("AConfig.id_feature and embedding_feature to", "--id-feature and --embedding-feature to"),
        ("that AConfig.paths names", "that FILES names"),
        ("Set header=True, or header=False.", "Set --header, or --no-header."),
        ("Set directed=False.", "Set no --directed."),
        ("(in a config: invalid_examples='drop').", "(--invalid-examples drop)."),
        ("Leave them out (in a config: other='drop'), or.", "Leave them out, or."),
        ("Rename it, choose a suffix in AConfig.other, or stop.", "Rename it, or stop."),
        ("Repair them, or set other='drop'.", "Repair them."),
        ("Received: weight=None.", "Received: no --weight."),
        ("Received: delimiter=',,'.", "Received: --delimiter ',,'."),
        ("or set the delimiter.", "or set --delimiter."),
        ("or set invalid_examples to drop", "or set --invalid-examples to drop"),
        ("for the source in line 1", "for the source in line 1"),
        ("Received: 'id_feature'.", "Received: 'id_feature'."),
        ("of x/id_feature.tfr", "of x/id_feature.tfr"),
        ("of id_feature.tfr", "of id_feature.tfr"),
        ("Name the feature that holds the id.",
         "Name the feature that holds the id with --id-feature."),
        ("AConfig.other", "AConfig.other"),
    ],
)  # fmt: skip
def test_settings_become_options(text, expected):
    assert name_options(text, OPTIONS) == expected
    assert name_options(text, {}) == text
