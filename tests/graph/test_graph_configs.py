"""Settings of graphs that concern several values at once."""

import pytest

from nsl_tfx.configs import AugmentConfig, SimilarityGraphConfig


@pytest.mark.parametrize("splits", [(), ("train", "train")])
def test_splits_are_named_once(splits):
    with pytest.raises(ValueError, match=r"SimilarityGraphConfig\.splits to hold at least one"):
        SimilarityGraphConfig(embedding_feature="x", splits=splits)
    with pytest.raises(ValueError, match=r"AugmentConfig\.neighbors_from.* to hold at least one"):
        AugmentConfig(neighbors_from={"train": splits})


def test_carried_features_are_named_once():
    with pytest.raises(ValueError, match=r"each once.*Received: 'x', 'y', 'x'"):
        AugmentConfig(features=("x", "y", "x"))
