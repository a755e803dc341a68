"""The best neighbors by float32 scores, a few more than wanted, and their weights at the end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.graph.search.parallel import run_all
from nsl_tfx.graph.search.points import Points, Rows
from nsl_tfx.graph.search.top_neighbors import (
    NO_NEIGHBOR,
    Candidates,
    Keys,
    TopNeighbors,
    make_keys,
    numbers_of,
    weights_of,
)

# Neighbors kept beyond the wanted ones, for scores that rank otherwise than weights: so many, and a
# share of those wanted.
_SLACK = 2
_SLACK_SHARE = 8
_ROWS_AT_ONCE = 2048


class TopScores(TopNeighbors):
    """Keeps neighbors by their scores; weighing only the last ones costs a fraction.

    A score's last bits depend on the block that it comes from. Blocks of the same rows give the
    same bits, on any thread; where scores cannot rank a row's neighbors, `weigh` says so.

    Args:
        points: The points.
        num_neighbors: How many are wanted in the end.
    """

    def __init__(self, points: Points, num_neighbors: int):
        self._wanted = num_neighbors
        slack = _SLACK + num_neighbors // _SLACK_SHARE
        super().__init__(points, min(num_neighbors + slack, max(1, len(points) - 1)))

    def values(self, rows: Rows, columns: Rows, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the scores, as what pairs are kept by."""
        return scores

    def cutoffs_of(self, slots: Rows, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the values, which are scores."""
        return values

    def cutoffs_beside(self, slots: Rows, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the scores."""
        return scores

    def sift(self, slots: Rows, columns: Rows, found: Candidates) -> NDArray[np.bool_]:
        """Tells which candidates can enter, `[p]`: equal scores go by number."""
        keys = make_keys(found.scores, columns[found.columns])
        return np.asarray(keys > self.keys[slots[found.places], -1])

    def weigh(self, threads: int) -> tuple[Keys, Rows]:
        """Returns the best neighbors by canonical weight, and the rows of which that is not sure.

        Args:
            threads: How many work at once.

        Returns:
            Keys of weights, best first, int64 `[n, num_neighbors]`; and the rows where a pair that
            was not kept may weigh as much as one that was, ascending.
        """
        result = np.full((len(self.keys), self._wanted), NO_NEIGHBOR)
        unsure = np.zeros(len(self.keys), bool)

        def weigh_part(begin: int) -> None:
            rows = np.arange(begin, min(begin + _ROWS_AT_ONCE, len(self.keys)))
            result[rows], unsure[rows] = self.weigh_rows(rows)

        run_all(weigh_part, range(0, len(self.keys), _ROWS_AT_ONCE), threads)
        return result, np.flatnonzero(unsure)

    def weigh_rows(self, rows: Rows) -> tuple[Keys, NDArray[np.bool_]]:
        """Returns what `weigh` does for some rows: keys `[m, num_neighbors]` and a mask `[m]`."""
        kept = self.keys[rows]
        place, turn = np.nonzero(kept != NO_NEIGHBOR)
        numbers = numbers_of(kept[place, turn])
        weighed = np.full((len(rows), max(kept.shape[1], self._wanted)), NO_NEIGHBOR)
        weighed[place, turn] = make_keys(self.points.weights(rows[place], numbers), numbers)
        weighed.sort(axis=1)
        best = weighed[:, : -self._wanted - 1 : -1]
        unsure = np.zeros(len(rows), bool)
        # Where not even the last place is taken, or all others are there, none was turned away.
        full = kept[:, -1] != NO_NEIGHBOR
        if kept.shape[1] < len(self.points) - 1 and full.any():
            least = self.points.cutoffs(rows[full], weights_of(best[full, -1]))
            unsure[full] = weights_of(kept[full, -1]) >= least
        return best, unsure
