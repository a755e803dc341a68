"""Places for the boxes of a directed graph, layer below layer, and ways around them for its edges.

Sugiyama's method (IEEE Transactions on Systems, Man, and Cybernetics 11(2), 1981): layers, then an
order within each that crosses few edges, then places. The last step is exact here: least squares
under distances is an isotonic regression.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Hashable, Mapping, Sequence

_GAP_ACROSS = 28.0
_GAP_DOWN = 46.0
_SWEEPS = 12
# How strongly a long edge keeps straight: boxes give way to it.
_STRAIGHTNESS = 8.0
# The last of an edge is vertical, so that its arrow's tip is.
_TIP = 9.0


@dataclasses.dataclass(frozen=True)
class Box:
    """A box's middle, size and layer, in SVG units."""

    x: float
    y: float
    width: float
    height: float
    layer: int


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where everything goes.

    Attributes:
        boxes: By the nodes' keys.
        paths: By an edge's two keys, the points it runs through: pairs of x and y, of which every
            two after the first are joined by a vertical line and the others by a curve.
        width: Of all.
        height: Of all.
    """

    boxes: Mapping[Hashable, Box]
    paths: Mapping[tuple[Hashable, Hashable], tuple[tuple[float, float], ...]]
    width: float
    height: float


@dataclasses.dataclass(frozen=True)
class _Bend:
    """Where an edge passes a layer between those of its ends."""

    source: Hashable
    target: Hashable
    layer: int


def lay_out(
    sizes: Mapping[Hashable, tuple[float, float]], edges: Sequence[tuple[Hashable, Hashable]]
) -> Layout:
    """Returns places from top to bottom, so that edges run down.

    Args:
        sizes: Width and height by a node's key.
        edges: Pairs of keys. Those that would close a circle run up.

    Example:
        >>> found = lay_out({"a": (40, 20), "b": (40, 20)}, [("a", "b")])
        >>> found.boxes["a"].y < found.boxes["b"].y
        True
    """
    layer_of = _layers(list(sizes), edges)
    layers, links = _with_bends(layer_of, edges)
    layers = _ordered(layers, links)
    widths = {key: sizes[key][0] if key in sizes else 0.0 for layer in layers for key in layer}
    across = _across(layers, links, widths)
    left = min((across[key] - width / 2 for key, width in widths.items()), default=0.0)
    across = {key: x - left for key, x in across.items()}
    heights = [max((sizes[key][1] for key in layer if key in sizes), default=0) for layer in layers]
    tops = [sum(heights[:i]) + i * _GAP_DOWN for i in range(len(layers))]
    boxes = {
        key: Box(across[key], tops[i] + heights[i] / 2, *sizes[key], i)
        for i, layer in enumerate(layers)
        for key in layer
        if key in sizes
    }
    return Layout(
        boxes,
        _paths(boxes, edges, across, tops, heights),
        max((across[key] + width / 2 for key, width in widths.items()), default=0.0),
        tops[-1] + heights[-1] if layers else 0.0,
    )


def _layers(
    keys: Sequence[Hashable], edges: Sequence[tuple[Hashable, Hashable]]
) -> dict[Hashable, int]:
    """Returns each node's layer: below all it comes from, and no higher than what it leads to."""
    targets: dict[Hashable, list[Hashable]] = {key: [] for key in keys}
    for source, target in edges:
        targets[source].append(target)
    order = _sorted_down(keys, targets)
    place = {key: i for i, key in enumerate(order)}
    down = [(a, b) if place[a] < place[b] else (b, a) for a, b in edges if a != b]
    layer = dict.fromkeys(order, 0)
    for source, target in sorted(down, key=lambda edge: place[edge[0]]):
        layer[target] = max(layer[target], layer[source] + 1)
    # What nothing leads to stands right above what it leads to.
    has_source = {target for _, target in down}
    for key in order:
        below = [layer[target] for source, target in down if source == key]
        if key not in has_source and below:
            layer[key] = min(below) - 1
    return layer


def _sorted_down(
    keys: Sequence[Hashable], targets: Mapping[Hashable, Sequence[Hashable]]
) -> list[Hashable]:
    """Returns the nodes so that edges lead on, but for those that close a circle."""
    done: list[Hashable] = []
    seen: set[Hashable] = set()
    for start in keys:
        stack = [(start, iter(targets[start]))] if start not in seen else []
        seen.add(start)
        while stack:
            _key, rest = stack[-1]
            new = next((one for one in rest if one not in seen), None)
            if new is None:
                done.append(stack.pop()[0])
            else:
                seen.add(new)
                stack.append((new, iter(targets[new])))
    return done[::-1]


def _with_bends(
    layer_of: Mapping[Hashable, int], edges: Sequence[tuple[Hashable, Hashable]]
) -> tuple[list[list[Hashable]], list[tuple[Hashable, Hashable]]]:
    """Returns the layers with a bend wherever an edge passes one, and edges of one layer each."""
    layers: list[list[Hashable]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    for key, layer in layer_of.items():
        layers[layer].append(key)
    links = []
    for source, target in dict.fromkeys(edges):
        if layer_of[source] == layer_of[target]:
            continue
        way = [source, *_bends(source, target, layer_of), target]
        for bend in way[1:-1]:
            layers[bend.layer].append(bend)  # type: ignore[attr-defined]
        steps = list(itertools.pairwise(way))
        links += steps if layer_of[source] < layer_of[target] else [(b, a) for a, b in steps]
    return layers, links


def _bends(source: Hashable, target: Hashable, layer_of: Mapping[Hashable, int]) -> list[Hashable]:
    first, last = layer_of[source], layer_of[target]
    step = 1 if first < last else -1
    return [_Bend(source, target, layer) for layer in range(first + step, last, step)]


def _ordered(
    layers: list[list[Hashable]], links: Sequence[tuple[Hashable, Hashable]]
) -> list[list[Hashable]]:
    """Returns the layers in an order that crosses few edges: the best of some sweeps."""
    above, below = _neighbors(links)
    best, fewest = layers, _crossings(layers, below)
    current = layers
    for sweep in range(_SWEEPS):
        goes_down = sweep % 2 == 0
        neighbors = above if goes_down else below
        place = {key: i for layer in current for i, key in enumerate(layer)}
        changed = list(current)
        for i in range(len(current)) if goes_down else reversed(range(len(current))):
            means = {
                key: _mean([place[one] for one in neighbors.get(key, ())], place[key])
                for key in current[i]
            }
            changed[i] = sorted(current[i], key=means.__getitem__)
            place.update({key: j for j, key in enumerate(changed[i])})
        current = changed
        found = _crossings(current, below)
        if found < fewest:
            best, fewest = current, found
    return best


def _neighbors(
    links: Sequence[tuple[Hashable, Hashable]],
) -> tuple[dict[Hashable, list[Hashable]], dict[Hashable, list[Hashable]]]:
    above: dict[Hashable, list[Hashable]] = {}
    below: dict[Hashable, list[Hashable]] = {}
    for upper, lower in links:
        above.setdefault(lower, []).append(upper)
        below.setdefault(upper, []).append(lower)
    return above, below


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(
    layers: Sequence[Sequence[Hashable]], below: Mapping[Hashable, Sequence[Hashable]]
) -> int:
    count = 0
    for upper, lower in itertools.pairwise(layers):
        place = {key: i for i, key in enumerate(lower)}
        ends = [sorted(place[one] for one in below.get(key, ())) for key in upper]
        for i, first in enumerate(ends):
            for second in ends[i + 1 :]:
                count += sum(a > b for a in first for b in second)
    return count


def _across(
    layers: Sequence[Sequence[Hashable]],
    links: Sequence[tuple[Hashable, Hashable]],
    widths: Mapping[Hashable, float],
) -> dict[Hashable, float]:
    """Returns each middle from the left: near its neighbors', in the layer's order and apart."""
    above, below = _neighbors(links)
    x: dict[Hashable, float] = {}
    for layer in layers:
        x.update(zip(layer, _apart([(0.0, 1.0)] * len(layer), layer, widths), strict=True))
    for sweep in range(4 * _SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = [_pull(key, [*above.get(key, ()), *below.get(key, ())], x) for key in layer]
            x.update(zip(layer, _apart(wanted, layer, widths), strict=True))
    return _straightened(layers, x, widths)


def _straightened(
    layers: Sequence[Sequence[Hashable]],
    x: Mapping[Hashable, float],
    widths: Mapping[Hashable, float],
) -> dict[Hashable, float]:
    """Returns middles with a long edge's bends below each other, where what is beside them lets it.

    Least squares make many small steps of a large one, which nobody's eye follows as easily.
    """
    x = dict(x)
    beside: dict[Hashable, tuple[Hashable | None, Hashable | None]] = {}
    chains: dict[tuple[Hashable, Hashable], list[Hashable]] = {}
    for layer in layers:
        for left, key, right in zip([None, *layer], layer, [*layer[1:], None], strict=False):
            if isinstance(key, _Bend):
                beside[key] = left, right
                chains.setdefault((key.source, key.target), []).append(key)
    # An edge that gives way lets the one beside it follow in the next sweep.
    for _ in range(_SWEEPS):
        for chain in chains.values():
            rooms = [_room(beside[key], x, widths) for key in chain]
            for run, low, high in _runs(chain, rooms):
                middle = sum(x[key] for key in run) / len(run)
                x.update(dict.fromkeys(run, min(max(middle, low), high)))
    return x


def _room(
    beside: tuple[Hashable | None, Hashable | None],
    x: Mapping[Hashable, float],
    widths: Mapping[Hashable, float],
) -> tuple[float, float]:
    """Returns from where to where a bend may go between what stands at its left and its right."""
    left, right = beside
    return (
        -math.inf if left is None else x[left] + widths[left] / 2 + _GAP_ACROSS,
        math.inf if right is None else x[right] - widths[right] / 2 - _GAP_ACROSS,
    )


def _runs(
    chain: Sequence[Hashable], rooms: Sequence[tuple[float, float]]
) -> list[tuple[list[Hashable], float, float]]:
    """Returns an edge's bends in as few pieces as can each be straight, with each piece's room."""
    runs: list[tuple[list[Hashable], float, float]] = []
    for key, (low, high) in zip(chain, rooms, strict=True):
        if runs and max(low, runs[-1][1]) <= min(high, runs[-1][2]):
            run, lowest, highest = runs.pop()
            runs.append(([*run, key], max(low, lowest), min(high, highest)))
        else:
            runs.append(([key], low, high))
    return runs


def _pull(
    key: Hashable, near: Sequence[Hashable], x: Mapping[Hashable, float]
) -> tuple[float, float]:
    """Returns where a node's neighbors pull it, and how strongly."""
    is_bend = isinstance(key, _Bend)
    pulls = [(_STRAIGHTNESS if is_bend and isinstance(one, _Bend) else 1.0, x[one]) for one in near]
    strength = sum(weight for weight, _ in pulls)
    if not strength:
        return x[key], 1.0
    return sum(weight * at for weight, at in pulls) / strength, strength


def _apart(
    wanted: Sequence[tuple[float, float]],
    layer: Sequence[Hashable],
    widths: Mapping[Hashable, float],
) -> list[float]:
    """Returns places as near to those wanted as distances allow, by least squares.

    Less the distances, places have only to rise, so that pooling those that fall is optimal.

    Args:
        wanted: Of each of the layer, a place and its weight.
        layer: From the left.
        widths: By key.
    """
    offsets = [0.0]
    for left, right in itertools.pairwise(layer):
        offsets.append(offsets[-1] + (widths[left] + widths[right]) / 2 + _GAP_ACROSS)
    pools: list[tuple[float, float, int]] = []  # weighted sum, weight, count
    for (want, weight), offset in zip(wanted, offsets, strict=False):
        pool = (weight * (want - offset), weight, 1)
        while pools and pools[-1][0] / pools[-1][1] > pool[0] / pool[1]:
            last = pools.pop()
            pool = (last[0] + pool[0], last[1] + pool[1], last[2] + pool[2])
        pools.append(pool)
    rising = [total / weight for total, weight, count in pools for _ in range(count)]
    return [place + offset for place, offset in zip(rising, offsets, strict=False)]


def _paths(
    boxes: Mapping[Hashable, Box],
    edges: Sequence[tuple[Hashable, Hashable]],
    across: Mapping[Hashable, float],
    tops: Sequence[float],
    heights: Sequence[float],
) -> dict[tuple[Hashable, Hashable], tuple[tuple[float, float], ...]]:
    layer_of = {key: box.layer for key, box in boxes.items()}
    known = [edge for edge in dict.fromkeys(edges) if layer_of[edge[0]] != layer_of[edge[1]]]
    ways = {edge: [edge[0], *_bends(*edge, layer_of), edge[1]] for edge in known}
    starts = _ports({edge: (edge[0], across[way[1]]) for edge, way in ways.items()}, boxes)
    ends = _ports({edge: (edge[1], across[way[-2]]) for edge, way in ways.items()}, boxes)
    paths = {}
    for edge, way in ways.items():
        first, last = boxes[edge[0]], boxes[edge[1]]
        down = 1 if first.layer < last.layer else -1
        points = [(starts[edge], first.y + down * first.height / 2)]
        points.append((starts[edge], _side(first.layer, down, tops, heights)))
        for bend in way[1:-1]:
            layer = bend.layer  # type: ignore[attr-defined]
            points.append((across[bend], _side(layer, -down, tops, heights)))
            points.append((across[bend], _side(layer, down, tops, heights)))
        points.append((ends[edge], _side(last.layer, -down, tops, heights) - down * _TIP))
        points.append((ends[edge], last.y - down * last.height / 2))
        paths[edge] = tuple(points)
    return paths


def _side(layer: int, down: int, tops: Sequence[float], heights: Sequence[float]) -> float:
    return tops[layer] + (heights[layer] if down > 0 else 0)


def _ports(
    wanted: Mapping[tuple[Hashable, Hashable], tuple[Hashable, float]],
    boxes: Mapping[Hashable, Box],
) -> dict[tuple[Hashable, Hashable], float]:
    """Returns where edges meet a box's side: beside each other, in the order of where they go."""
    by_box: dict[Hashable, list[tuple[float, int, tuple[Hashable, Hashable]]]] = {}
    for i, (edge, (key, x)) in enumerate(wanted.items()):
        by_box.setdefault(key, []).append((x, i, edge))
    ports = {}
    for key, found in by_box.items():
        box = boxes[key]
        for i, (_, _, edge) in enumerate(sorted(found)):
            ports[edge] = box.x + box.width * ((i + 1) / (len(found) + 1) - 0.5)
    return ports
