"""Edges of a graph as three arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import Symmetrize
from nsl_tfx.configs.base import require_choice


@dataclasses.dataclass(frozen=True, eq=False)
class EdgeList:
    """Directed, weighted edges between numbered nodes, at most one from a node to another.

    A node's number is its place among all ids in ascending order, so ties that are broken by the
    number are broken by the id.

    Attributes:
        source: Node that the edge starts at, int64 `[edges]`.
        target: Node that it ends at, int64 `[edges]`.
        weight: Similarity of both, float32 `[edges]`.

    Raises:
        ValueError: The arrays differ in length.

    Example:
        >>> edges = EdgeList(source=[0, 0], target=[1, 2], weight=[0.5, 0.75])
        >>> edges.sorted().target.tolist()
        [2, 1]
    """

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    weight: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name, dtype in (("source", np.int64), ("target", np.int64), ("weight", np.float32)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype).reshape(-1))
        if not len(self.source) == len(self.target) == len(self.weight):
            raise ValueError(
                "Expected source, target and weight of one length. Received lengths: "
                f"{len(self.source)}, {len(self.target)}, {len(self.weight)}."
            )

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        return f"EdgeList(edges={len(self)})"

    def select(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> EdgeList:
        """Returns the edges at `index`, a mask or positions."""
        return EdgeList(self.source[index], self.target[index], self.weight[index])

    def reversed(self) -> EdgeList:
        """Returns the edges with both ends swapped."""
        return EdgeList(self.target, self.source, self.weight)

    def sorted(self) -> EdgeList:
        """Returns the edges by source, descending weight and target."""
        return self.select(np.lexsort((self.target, -self.weight, self.source)))

    @classmethod
    def concatenate(cls, parts: Iterable[EdgeList]) -> EdgeList:
        """Returns the edges of all parts, one part after the other."""
        parts = [cls([], [], []), *parts]  # type: ignore[arg-type]
        return cls(
            np.concatenate([part.source for part in parts]),
            np.concatenate([part.target for part in parts]),
            np.concatenate([part.weight for part in parts]),
        )


def symmetrize(edges: EdgeList, how: Symmetrize | str) -> EdgeList:
    """Returns the edges, sorted, that remain or arise when both directions have to agree.

    Args:
        edges: Edges whose reverse, where it is there too, has the same weight.
        how: `UNION` adds each missing reverse, so that a node may have more edges than it had
            nearest neighbors; `MUTUAL` drops each edge without a reverse; `NONE` keeps the edges.
            A member or its value.

    Raises:
        ValueError: There is no such way.

    Example:
        >>> edges = EdgeList(source=[0, 1, 1], target=[1, 0, 2], weight=[1, 1, 0.5])
        >>> symmetrize(edges, Symmetrize.UNION).source.tolist()
        [0, 1, 1, 2]
        >>> len(symmetrize(edges, "mutual"))
        2
    """
    how = require_choice("how", how, Symmetrize)
    if how is Symmetrize.NONE or not len(edges):
        return edges.sorted()
    nodes = int(max(edges.source.max(), edges.target.max())) + 1
    forward = edges.source * nodes + edges.target
    backward = edges.target * nodes + edges.source
    if how is Symmetrize.MUTUAL:
        return edges.select(np.isin(forward, backward)).sorted()
    missing = edges.select(~np.isin(backward, forward)).reversed()
    return EdgeList.concatenate([edges, missing]).sorted()
