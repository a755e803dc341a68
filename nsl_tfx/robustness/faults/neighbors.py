"""What a model sees when its examples' neighbors in the graph change."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import NUM_NEIGHBORS_FEATURE, GraphNeighborConfig, NeighborChange
from nsl_tfx.configs.base import require_choice
from nsl_tfx.robustness.faults import row_draws
from nsl_tfx.robustness.faults.corruption.reference import Features, check_pool
from nsl_tfx.robustness.faults.row_draws import Seeds

_NAMES = GraphNeighborConfig()


@dataclasses.dataclass(frozen=True)
class Neighbor:
    """The inputs of a model that describe one neighbor.

    Attributes:
        index: Its number, from 0.
        features: The names of its features.
        weight: The name of its edge's weight, None where the model has no such input.
    """

    index: int
    features: tuple[str, ...]
    weight: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """All its inputs."""
        return self.features if self.weight is None else (*self.features, self.weight)


def find_neighbors(
    inputs: Iterable[str], config: GraphNeighborConfig = _NAMES
) -> tuple[Neighbor, ...]:
    """Returns the neighbors that a model has inputs for, in order.

    Args:
        inputs: The names of the model's inputs.
        config: How neighbors' features are named; how many there are is found out.

    Example:
        >>> find_neighbors(["x", "NL_nbr_0_x", "NL_nbr_0_weight"])
        (Neighbor(index=0, features=('NL_nbr_0_x',), weight='NL_nbr_0_weight'),)
    """
    own = f"(?:{re.escape(config.weight_suffix)}|_.+)"
    pattern = re.compile(re.escape(config.prefix) + "([0-9]+)" + own, re.DOTALL)
    by_index: dict[int, list[str]] = {}
    for name in inputs:
        if match := pattern.fullmatch(name):
            by_index.setdefault(int(match[1]), []).append(name)
    return tuple(
        Neighbor(
            index,
            tuple(name for name in names if name != config.weight_name(index)),
            next((name for name in names if name == config.weight_name(index)), None),
        )
        for index, names in sorted(by_index.items())
    )


def neighbor_changes(
    inputs: Iterable[str], config: GraphNeighborConfig = _NAMES
) -> tuple[NeighborChange, ...]:
    """Returns which changes of its neighbors a model can notice.

    None for a model without neighbors; of one neighbor, to drop one is to drop all.

    Example:
        >>> [change.value for change in neighbor_changes(["x", "NL_nbr_0_x"])]
        ['drop_all', 'rewire']
    """
    neighbors = find_neighbors(inputs, config)
    found = []
    if len(neighbors) > 1:
        found.append(NeighborChange.DROP_ONE)
    if neighbors:
        found.append(NeighborChange.DROP_ALL)
    if any(neighbor.features for neighbor in neighbors):
        found.append(NeighborChange.REWIRE)
    return tuple(found)


def change_neighbors(
    name: NeighborChange,
    features: Features,
    seeds: Seeds,
    pool: Features,
    config: GraphNeighborConfig = _NAMES,
) -> dict[str, NDArray[Any]]:
    """Returns examples with other neighbors, or with fewer.

    A dropped neighbor looks like one that the example never had: its weight and its features are 0,
    or empty text, and `NL_num_nbrs` counts it no more. A rewired edge keeps its weight and leads to
    the neighbor of the same number of a random row of the pool that has one, which is as likely the
    row itself as any other. Neighbors that an example lacks, of weight 0, stay missing.

    Args:
        name: The change. `DROP_ONE` drops one at random, of each row that has any.
        features: Name to `[rows, ...]`, the neighbors' and the examples' own.
        seeds: Two numbers for each row, uint32 `[rows, 2]`.
        pool: Reference rows of the neighbors' features; only `REWIRE` looks at them.
        config: How neighbors' features are named; how many there are is found out.

    Raises:
        ValueError: There are no neighbors' features to change, or seeds or pool do not fit them.

    Example:
        >>> features = {"NL_nbr_0_x": np.array([[3.0]]), "NL_nbr_0_weight": np.array([[0.5]])}
        >>> changed = change_neighbors("drop_all", features, np.zeros((1, 2), np.uint32), {})
        >>> {name: value.tolist() for name, value in changed.items()}
        {'NL_nbr_0_x': [[0.0]], 'NL_nbr_0_weight': [[0.0]]}
    """
    name = require_choice("name", name, NeighborChange)
    neighbors = find_neighbors(features, config)
    if name is NeighborChange.REWIRE:
        neighbors = tuple(neighbor for neighbor in neighbors if neighbor.features)
    if not neighbors:
        raise ValueError(
            f"Expected features of neighbors, such as {config.feature_name(0, 'x')!r}, to "
            f"{name.value}. Received: {', '.join(features) or 'none'}."
        )
    features = {key: np.asarray(value) for key, value in features.items()}
    seeds = row_draws.require_seeds(seeds, len(features[neighbors[0].names[0]]))
    present = np.stack([_is_present(one, features) for one in neighbors], axis=1)
    if name is NeighborChange.REWIRE:
        pool = {key: np.asarray(value) for key, value in pool.items()}
        return {**features, **_rewire(neighbors, features, present, seeds, pool)}
    dropped = _one_of(present, seeds) if name is NeighborChange.DROP_ONE else present
    return {**features, **_drop(neighbors, features, dropped)}


def _is_present(neighbor: Neighbor, features: Features) -> NDArray[np.bool_]:
    """Returns `[rows]`; all of them where no weight says so."""
    if neighbor.weight is None:
        return np.ones(len(features[neighbor.features[0]]), bool)
    weight = features[neighbor.weight]
    return weight.reshape(len(weight)) != 0


def _one_of(present: NDArray[np.bool_], seeds: Seeds) -> NDArray[np.bool_]:
    """Returns `[rows, neighbors]` with one at random of those that are present in a row."""
    place = np.cumsum(present, axis=1) - 1
    chosen = np.floor(row_draws.uniform(seeds) * present.sum(axis=1))
    return present & (place == chosen[:, np.newaxis])


def _drop(
    neighbors: tuple[Neighbor, ...], features: Features, dropped: NDArray[np.bool_]
) -> dict[str, NDArray[Any]]:
    changed = {}
    for neighbor, rows in zip(neighbors, dropped.T, strict=True):
        for key in neighbor.names:
            changed[key] = features[key].copy()
            changed[key][rows] = _blank(features[key])
    if NUM_NEIGHBORS_FEATURE in features:
        count = features[NUM_NEIGHBORS_FEATURE]
        fewer = dropped.sum(axis=1).reshape(count.shape)
        changed[NUM_NEIGHBORS_FEATURE] = np.maximum(count - fewer, 0).astype(count.dtype)
    return changed


def _rewire(
    neighbors: tuple[Neighbor, ...],
    features: Features,
    present: NDArray[np.bool_],
    seeds: Seeds,
    pool: Features,
) -> dict[str, NDArray[Any]]:
    changed = {}
    for neighbor, rows in zip(neighbors, present.T, strict=True):
        check_pool({key: features[key] for key in neighbor.names}, pool)
        donors = np.flatnonzero(_is_present(neighbor, pool))
        if not len(donors):
            continue
        # One row for all features: they are one neighbor's.
        of_neighbor = row_draws.fork(seeds, str(neighbor.index))
        chosen = donors[row_draws.integers(of_neighbor, (), len(donors))]
        for key in neighbor.features:
            changed[key] = features[key].copy()
            changed[key][rows] = pool[key][chosen[rows]]
    return changed


def _blank(values: NDArray[Any]) -> Any:
    """Returns what stands in the place of a missing neighbor's feature."""
    if values.dtype == object:
        return b"" if not values.size or isinstance(values.flat[0], bytes) else ""
    return np.zeros((), values.dtype)
