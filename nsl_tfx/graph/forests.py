"""Connected components that can be added up in any order, within bounded memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csgraph

_NONE = np.empty(0, np.uint64)


@dataclasses.dataclass(frozen=True, eq=False)
class Forest:
    """Which nodes hang together, as far as the edges seen so far tell.

    Attributes:
        members: Keys of the nodes that have an edge, each once, ascending, uint64 `[members]`.
        roots: The smallest key of each one's component, uint64 `[members]`.
        overflowed: There were more members than the limit, and they are not kept.
    """

    members: NDArray[np.uint64] = dataclasses.field(default_factory=lambda: _NONE)
    roots: NDArray[np.uint64] = dataclasses.field(default_factory=lambda: _NONE)
    overflowed: bool = False

    @classmethod
    def of(cls, low: NDArray[np.uint64], high: NDArray[np.uint64], limit: int) -> Forest:
        """Returns the components that edges between keys make.

        Args:
            low: One end of each edge.
            high: The other end.
            limit: Most members that are kept.

        Example:
            >>> keys = np.array([1, 2, 7, 2, 3, 9], np.uint64)
            >>> Forest.of(keys[:3], keys[3:], limit=10).roots.tolist()
            [1, 1, 1, 7, 7]
        """
        # The ends of a pair are looked up after they are known to be few.
        members, place = np.unique(np.concatenate([low, high]), return_inverse=True)
        if len(members) > limit:
            return cls(overflowed=True)
        left, right = place[: len(low)], place[len(low) :]
        size = len(members)
        links = coo_matrix((np.ones(len(left), bool), (left, right)), shape=(size, size))
        count, component = csgraph.connected_components(links, directed=False)
        first = np.full(count, size, np.int64)
        np.minimum.at(first, component, np.arange(size))
        return cls(members, members[first[component]])

    def sizes(self) -> NDArray[np.int64]:
        """Returns the number of nodes in each component, largest first."""
        return np.sort(np.unique(self.roots, return_counts=True)[1])[::-1].astype(np.int64)


def join_forests(forests: Sequence[Forest], limit: int) -> Forest:
    """Returns the components of all forests' edges together."""
    if len(forests) == 1:
        return forests[0]
    if any(forest.overflowed for forest in forests):
        return Forest(overflowed=True)
    members = np.concatenate([forest.members for forest in forests])
    return Forest.of(members, np.concatenate([forest.roots for forest in forests]), limit)
