"""All pairs above a threshold, against the definition."""

import numpy as np
import pytest

from nsl_tfx.configs import Similarity
from nsl_tfx.graph.search import pairs, similar_pairs


def expected(vectors, threshold, similarity):
    exact = vectors.astype(np.float64)
    weights = (exact[:, None] * exact[None]).sum(axis=-1)
    if similarity == "euclidean":
        weights = 1 / (1 + np.sqrt(np.square(exact[:, None] - exact[None]).sum(axis=-1)))
    elif similarity == "cosine":
        norms = np.linalg.norm(exact, axis=1)
        weights /= norms[:, None] * norms[None]
    weights = weights.astype(np.float32)
    low, high = np.nonzero(np.triu(weights >= np.float32(threshold), 1))
    return list(zip(low.tolist(), high.tolist(), weights[low, high].tolist(), strict=True))


VECTORS = {
    "random": np.random.default_rng(0).normal(size=(700, 6)).astype(np.float32),
    "integers": np.random.default_rng(0).integers(1, 3, size=(120, 3)).astype(np.float32),
    "equal": np.ones((30, 2), np.float32),
    "one": np.ones((1, 2), np.float32),
    "none": np.ones((0, 2), np.float32),
}


@pytest.mark.parametrize("dense", [0, 1 / 40, 2])
@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize(
    ("similarity", "thresholds"),
    [("cosine", (-1, 0.5, 0.9, 1)), ("inner_product", (0, 2)), ("euclidean", (0, 0.4, 1))],
)
def test_equals_the_definition(name, similarity, thresholds, dense, monkeypatch):
    monkeypatch.setattr(pairs, "_DENSE", dense)
    for threshold in thresholds:
        steps = []
        found = similar_pairs(
            VECTORS[name], threshold, Similarity(similarity), threads=2, advance=steps.append
        )
        ends = found.source.tolist(), found.target.tolist()
        received = list(zip(*ends, found.weight.tolist(), strict=True))
        assert received == expected(VECTORS[name], threshold, similarity)
        assert sum(steps) == pytest.approx(1 if len(VECTORS[name]) else 0)


@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        ({"threshold": float("nan")}, ValueError, "threshold to be finite. Received: .*nan"),
        ({"threshold": None}, TypeError, "threshold to be float. Received: None"),
        ({"threshold": "0.5"}, TypeError, "threshold to be float. Received: '0.5'"),
        ({"threshold": 2}, ValueError, "threshold <= 1.0. Received: threshold=2"),
        ({"threshold": 1.5, "similarity": "euclidean"}, ValueError, "threshold <= 1"),
        ({"similarity": "dot"}, ValueError, "similarity to be one of .*'cosine'.* Received: 'dot'"),
        ({"threads": 0}, ValueError, "threads >= 1. Received: threads=0"),
        ({"threads": 1.5}, TypeError, "threads to be int. Received: 1.5"),
        ({"vectors": [[1j, 1]]}, TypeError, "real numbers"),
    ],
)
def test_what_is_no_such_argument_is_named(argument, error, message):
    given = {"vectors": VECTORS["equal"], "threshold": 0.5, **argument}
    with pytest.raises(error, match=message):
        similar_pairs(**given)
