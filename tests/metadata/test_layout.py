import itertools

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsl_tfx.metadata.layout import lay_out
from nsl_tfx.metadata.wrapping import text_width, wrap

EDGES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25)
SIZES = st.lists(st.tuples(st.integers(20, 300), st.integers(20, 200)), min_size=10, max_size=10)
few = settings(max_examples=60, deadline=None)


def sides(box):
    return (
        box.x - box.width / 2, box.x + box.width / 2, box.y - box.height / 2, box.y + box.height / 2
    )  # fmt: skip


def overlap(first, second):
    left, right, top, bottom = sides(first)
    other_left, other_right, other_top, other_bottom = sides(second)
    return left < other_right and other_left < right and top < other_bottom and other_top < bottom


@few
@given(SIZES, EDGES)
def test_boxes_lie_apart_and_within(sizes, edges):
    found = lay_out(dict(enumerate(sizes)), edges)
    assert set(found.boxes) == set(range(10))
    for first, second in itertools.combinations(found.boxes.values(), 2):
        assert not overlap(first, second)
    for box in found.boxes.values():
        left, right, top, bottom = sides(box)
        assert left >= -1e-6
        assert right <= found.width + 1e-6
        assert top >= 0
        assert bottom <= found.height + 1e-6


@few
@given(SIZES, EDGES)
def test_edges_run_down_unless_they_close_a_circle(sizes, edges):
    found = lay_out(dict(enumerate(sizes)), edges)
    graph = networkx.DiGraph([edge for edge in edges if edge[0] != edge[1]])
    for source, target in graph.edges:
        is_down = found.boxes[source].y < found.boxes[target].y
        # Without the circles' own edges all run down.
        assert is_down or networkx.has_path(graph, target, source)


@few
@given(SIZES, EDGES)
def test_edges_join_their_boxes_and_pass_the_others(sizes, edges):
    found = lay_out(dict(enumerate(sizes)), edges)
    wanted = {edge for edge in edges if edge[0] != edge[1]}
    assert set(found.paths) == wanted
    for (source, target), points in found.paths.items():
        for key, (x, y) in ((source, points[0]), (target, points[-1])):
            left, right, top, bottom = sides(found.boxes[key])
            assert left < x < right
            assert np.isclose(y, top) or np.isclose(y, bottom)
        # Every two points from the first are a vertical line: only there does a path pass a layer.
        for (x, start), (other_x, end) in zip(points[::2], points[1::2], strict=True):
            assert x == other_x
            for key, box in found.boxes.items():
                left, right, top, bottom = sides(box)
                low, high = sorted((start, end))
                passes = left < x < right and max(top, low) < min(bottom, high) - 1e-6
                assert not passes or key in (source, target)


def test_a_chain_is_straight():
    found = lay_out(dict.fromkeys("abc", (50, 20)), [("a", "b"), ("b", "c")])
    assert len({box.x for box in found.boxes.values()}) == 1
    assert [found.boxes[key].layer for key in "abc"] == [0, 1, 2]


@pytest.mark.parametrize("widths", [(50, 90, 130, 170, 210, 250), (50, 250, 60, 200, 90, 50)])
def test_long_edges_are_straight_beside_what_grows_wide(widths):
    nodes = "abcdef"
    edges = [*itertools.pairwise(nodes), ("a", "f"), ("a", "e")]
    found = lay_out({key: (width, 20) for key, width in zip(nodes, widths, strict=True)}, edges)
    for edge in [("a", "f"), ("a", "e")]:
        assert len({x for x, _ in found.paths[edge][2:-2]}) == 1


def test_what_nothing_leads_to_stands_right_above_what_it_leads_to():
    found = lay_out(dict.fromkeys("abcz", (50, 20)), [("a", "b"), ("b", "c"), ("z", "c")])
    assert found.boxes["z"].layer == found.boxes["b"].layer


def test_two_trees_do_not_cross():
    edges = [("a", "x"), ("b", "y"), ("a", "x2"), ("b", "y2")]
    found = lay_out(dict.fromkeys(["a", "b", "y", "x", "y2", "x2"], (50, 20)), edges)
    x = {key: box.x for key, box in found.boxes.items()}
    assert (x["a"] < x["b"]) == (max(x["x"], x["x2"]) < min(x["y"], x["y2"]))


def test_nothing_takes_no_place():
    found = lay_out({}, [])
    assert (found.width, found.height) == (0, 0)


@few
@given(st.text(max_size=60), st.integers(60, 200), st.integers(1, 4), st.booleans())
def test_lines_fit_and_hold_all_or_say_that_they_do_not(text, width, most, bold):
    lines = wrap(text, width, 12, most, bold)
    assert len(lines) <= most
    assert all(text_width(line, 12, bold) <= width for line in lines)
    kept = "".join("".join(lines).split())
    whole = "".join(text.split())
    assert kept == whole or (kept.endswith("…") and whole.startswith(kept[:-1]))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("one", ["one"]),
        ("NeighborAugmenter", ["Neighbor", "Augmenter"]),
        ("snake_case_name", ["snake_case_", "name"]),
        ("split over words", ["split over", "words"]),
        ("x" * 30, ["xxxxxxxxxxx", "xxxxxxxxxxx", "xxxxxxxx"]),
    ],
)
def test_names_break_where_a_person_would_break_them(text, lines):
    assert wrap(text, 90, 12, 9) == lines
