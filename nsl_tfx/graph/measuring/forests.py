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
    def of(
        cls,
        low: NDArray[np.int64],
        high: NDArray[np.int64],
        keys: NDArray[np.uint64],
        limit: int,
    ) -> Forest:
        """Returns the components that edges between numbered nodes make.

        Args:
            low: One end of each edge.
            high: The other end.
            keys: The key of each node, each once.
            limit: Most members that are kept.

        Example:
            >>> keys = np.array([10, 40, 30, 20, 50], np.uint64)
            >>> forest = Forest.of(np.array([0, 4]), np.array([3, 2]), keys, limit=10)
            >>> forest.members.tolist(), forest.roots.tolist()
            ([10, 20, 30, 50], [10, 10, 30, 30])
        """
        touched = np.zeros(len(keys), bool)
        touched[low] = touched[high] = True
        nodes = np.flatnonzero(touched)
        if len(nodes) > limit:
            return cls(overflowed=True)
        place = np.cumsum(touched) - 1
        links = coo_matrix(
            (np.ones(len(low), bool), (place[low], place[high])), shape=(len(nodes), len(nodes))
        )
        count, component = csgraph.connected_components(links, directed=False)
        members = keys[nodes]
        order = np.argsort(members)
        members, component = members[order], component[order]
        first = np.full(count, len(nodes), np.int64)
        np.minimum.at(first, component, np.arange(len(nodes)))
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
    # A root is a member too.
    members = np.concatenate([forest.members for forest in forests])
    keys, place = np.unique(members, return_inverse=True)
    roots = np.searchsorted(keys, np.concatenate([forest.roots for forest in forests]))
    return Forest.of(place, roots, keys, limit)
