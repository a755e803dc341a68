"""How many of the true nearest neighbors a search has found, measured on some of the points."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.hashing import mix
from nsl_tfx.graph.search.points import Rows
from nsl_tfx.graph.search.top_neighbors import NO_NEIGHBOR, Keys, weights_of
from nsl_tfx.statistics import wilson_interval

_LOG = logging.getLogger(__name__)

# Parts the sample's hashes from those that decide about partitions.
_SALT = 0x5A4D


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recall:
    """Share of the true nearest neighbors that were found.

    Attributes:
        nodes: Nodes of the sample; nodes of equal vectors count each.
        pairs: Their true neighbors.
        share: How many of these were found, as a share; 1.0 where there are none to find.
        low: Lower end of the share's 95 % interval.
        high: Upper end.
    """

    nodes: int
    pairs: int
    share: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return dataclasses.asdict(self)

    def reaches(self, target: float) -> bool:
        """Tells whether the search found the share that was asked, as far as the sample proves it.

        All neighbors of a few nodes prove little: the lower end of the interval has to reach the
        target. It is the share itself where the sample is all nodes.

        Args:
            target: The share asked for.
        """
        return self.low >= target or not self.pairs

    def describe(self, target: float) -> dict[str, Any]:
        """Returns the recall, and whether it reaches the target, as plain JSON values."""
        return {"recall": self.to_dict(), "target_recall_reached": self.reaches(target)}


def choose_sample(hashes: NDArray[np.uint64], size: int, seed: int) -> Rows:
    """Returns the points with the smallest hashes, ascending, `[min(size, n)]`.

    Args:
        hashes: A hash of each point's id, uint64 `[n]`.
        size: How many.
        seed: Another seed, another sample.
    """
    if size >= len(hashes):
        return np.arange(len(hashes))
    return np.sort(np.argpartition(mix(hashes, seed, _SALT), size)[:size])


def measure_recall(found: Keys, truth: Keys, population: int) -> Recall:
    """Compares neighbors that were found with the true ones.

    A neighbor that weighs as much as the last true one is as good as that: which of them is the
    true one, the order of ids decides.

    Args:
        found: Keys of the sample's neighbors as found, best first, int64 `[m, k]`.
        truth: Keys of their true neighbors, `[m, k]`.
        population: Number of all points.

    Example:
        >>> from nsl_tfx.graph.search.top_neighbors import make_keys
        >>> truth = make_keys(np.float32([[0.9, 0.5], [0.8, 0.8]]), np.array([[3, 2], [5, 6]]))
        >>> found = make_keys(np.float32([[0.9, 0.4], [0.8, 0.8]]), np.array([[3, 1], [5, 7]]))
        >>> measure_recall(found, truth, population=2).share
        0.75
    """
    wanted = truth != NO_NEIGHBOR
    # Of rows with fewer true neighbors than columns the last of them stands further left.
    last = np.where(wanted, truth, np.iinfo(np.int64).max).min(axis=1)
    good = (found != NO_NEIGHBOR) & (weights_of(found) >= weights_of(last)[:, None])
    hits = np.minimum(good.sum(axis=1), wanted.sum(axis=1))
    return _recall_of(hits, wanted.sum(axis=1), population)


def _recall_of(hits: Rows, wanted: Rows, population: int) -> Recall:
    """Returns the share of neighbors found, with its interval.

    The interval is Wilson's, for as many independent pairs as the sample is worth: a node's
    neighbors are found or missed together, which the design effect (Kish, "Survey Sampling", 1965)
    takes into account; of one node alone they are taken for one pair. A sample that is the whole
    population has no error.

    Args:
        hits: True neighbors found of each node of the sample, `[m]`.
        wanted: True neighbors of each, `[m]`.
        population: Number of all nodes.
    """
    pairs = int(wanted.sum())
    if not pairs:
        return Recall(nodes=len(wanted), pairs=0, share=1.0, low=0.0, high=1.0)
    share = float(hits.sum() / pairs)
    low, high = share, share
    if len(wanted) < population:
        effective = pairs / _design_effect(hits, wanted, share)
        low, high = wilson_interval(share * effective, effective)
    return Recall(nodes=len(wanted), pairs=pairs, share=share, low=low, high=high)


def warn_of_missed_recall(search: Mapping[str, Any], target: float) -> None:
    """Logs a warning where a search did not find the share that was asked.

    Args:
        search: How neighbors were found, as `graph.json` holds it.
        target: The share asked for.
    """
    if search.get("target_recall_reached", True):
        return
    recall = search["recall"]
    if recall["share"] >= target:
        cure = "Raise recall_sample: so few nodes do not prove it."
    elif "buckets" in search:
        cure = (
            "Raise worker_memory_mb, since fewer buckets part fewer neighbors, or target_recall, "
            "for which more rounds are planned."
        )
    else:
        cure = "Choose method='exact', which compares all pairs."
    _LOG.warning(
        "Expected the search to find target_recall=%g of the true neighbors. It found %.4f (%.4f "
        "to %.4f, by a sample of %d nodes) in %d rounds. %s",
        target,
        recall["share"],
        recall["low"],
        recall["high"],
        recall["nodes"],
        search["rounds"],
        cure,
    )


def _design_effect(hits: Rows, wanted: Rows, share: float) -> float:
    """Returns how much more the share varies than it would if pairs were independent."""
    if len(hits) < 2:
        return float(wanted.sum())
    independent = share * (1 - share) * wanted.sum()
    if independent == 0:
        return 1.0
    clustered = np.square(hits - share * wanted).sum() * len(hits) / (len(hits) - 1)
    return max(1.0, float(clustered / independent))
