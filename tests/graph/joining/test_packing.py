"""Neighbors written into tf.Examples."""

import pytest

from nsl_tfx.configs import GraphNeighborConfig
from nsl_tfx.graph.joining.packing import pack_example, project_example
from tests.tf_examples import make_example, values_of

NAMES = GraphNeighborConfig(max_neighbors=2)


SEED = make_example(id=[b"s"], x=[1.0, 2.0], y=[3], none=[])


def test_project_keeps_what_is_named_and_there():
    assert values_of(project_example(SEED, ["x", "id", "absent"])) == {
        "id": [b"s"],
        "x": [1.0, 2.0],
    }
    assert values_of(project_example(SEED, [])) == {}


def test_pack_keeps_every_feature_and_adds_neighbors_in_order():
    neighbors = [(0.75, make_example(id=[b"n"], x=[5.0, 6.0])), (0.5, make_example(y=[7]))]
    assert values_of(pack_example(SEED, neighbors, NAMES)) == {
        **values_of(SEED),
        "NL_num_nbrs": [2],
        "NL_nbr_0_weight": [0.75],
        "NL_nbr_0_id": [b"n"],
        "NL_nbr_0_x": [5.0, 6.0],
        "NL_nbr_1_weight": [0.5],
        "NL_nbr_1_y": [7],
    }


def test_pack_nothing():
    assert values_of(pack_example(SEED, [], NAMES)) == {**values_of(SEED), "NL_num_nbrs": [0]}


def test_names_are_configurable_except_the_number():
    names = GraphNeighborConfig(max_neighbors=1, prefix="n", weight_suffix="/w")
    packed = values_of(pack_example(b"", [(0.5, make_example(x=[1.0]))], names))
    assert packed == {"NL_num_nbrs": [1], "n0/w": [0.5], "n0_x": [1.0]}


def test_bytes_do_not_depend_on_the_order_of_features():
    turned = make_example(none=[], y=[3], x=[1.0, 2.0], id=[b"s"])
    neighbors = [(0.5, make_example(a=[1], b=[2], c=[3]))]
    expected = pack_example(SEED, neighbors, NAMES)
    assert pack_example(turned, [(0.5, make_example(c=[3], b=[2], a=[1]))], NAMES) == expected


@pytest.mark.parametrize("name", ["NL_num_nbrs", "NL_nbr_0_weight", "NL_nbr_0_x"])
def test_pack_refuses_a_clash(name):
    with pytest.raises(ValueError, match=f"no feature named '{name}'"):
        pack_example(make_example(**{name: [1]}), [(0.5, make_example(x=[1.0]))], NAMES)


def test_pack_refuses_a_neighbor_feature_named_like_the_weight():
    with pytest.raises(ValueError, match="NL_nbr_0_weight"):
        pack_example(b"", [(0.5, make_example(weight=[1.0]))], NAMES)
