"""NSL's wrapper for training with a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from nsl_tfx.configs import AdvNeighborConfig, GraphRegConfig
from nsl_tfx.configs.base import Config
from nsl_tfx.keras import checks
from nsl_tfx.keras.graph_term import Embedding
from nsl_tfx.keras.regularized_model import RegularizedModel


@keras.saving.register_keras_serializable(package="nsl_tfx")
class GraphRegularization(RegularizedModel):
    """Wraps a model; trains it to treat neighbors in a graph alike.

    The loss of a step is `loss(f(x), y) + multiplier * distance(f(x), f(neighbors of x))` (Bui et
    al. 2018, "Neural graph learning", eq. 3). Neighbors' features and edge weights lie among the
    example's, as `GraphNeighborConfig` names them. `evaluate` and `predict` are the base model's,
    with neighbors' features or without.

    Args:
        base_model: The model to train, from features by name.
        graph_reg_config: Neighbors' names and number, the distance and its weight. With no
            neighbors, as is the default, or multiplier 0 there is no graph loss.
        embedding: What is compared; see `RegularizedModel`.
        neighbor_features: The features that neighbors have; see `RegularizedModel`.
        neighbor_perturbation: How neighbors are moved; see `RegularizedModel`.

    Raises:
        TypeError: An argument is of another type.
        ValueError: `embedding` names no layer.

    Example:
        >>> import numpy as np
        >>> from nsl_tfx.configs import make_graph_reg_config
        >>> base = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1)])
        >>> model = GraphRegularization(base, make_graph_reg_config(max_neighbors=1))
        >>> model.compile("sgd", "mse")
        >>> ones = np.ones([4, 2])
        >>> x = {"x": ones, "NL_nbr_0_x": ones, "NL_nbr_0_weight": ones[:, :1]}
        >>> history = model.fit(x, np.zeros([4, 1]), verbose=0)
        >>> history.history["scaled_graph_loss"]
        [0.0]
    """

    _LOGS_LABEL_LOSS: ClassVar[bool] = False
    _CONFIG_ARGUMENTS: ClassVar[dict[str, type[Config]]] = {
        "graph_reg_config": GraphRegConfig,
        "neighbor_perturbation": AdvNeighborConfig,
    }
    _NEEDS_NEIGHBORS: ClassVar[bool] = False

    def __init__(
        self,
        base_model: keras.Model,
        graph_reg_config: GraphRegConfig | None = None,
        *,
        embedding: Embedding = None,
        neighbor_features: Sequence[str] | None = None,
        neighbor_perturbation: AdvNeighborConfig | None = None,
        **kwargs: Any,
    ) -> None:
        checks.check_base_model(base_model)
        checks.check_config("graph_reg_config", graph_reg_config, GraphRegConfig)
        super().__init__(
            base_model,
            graph=graph_reg_config or GraphRegConfig(),
            embedding=embedding,
            neighbor_features=neighbor_features,
            neighbor_perturbation=neighbor_perturbation,
            **kwargs,
        )

    @property
    def graph_reg_config(self) -> GraphRegConfig:
        """Neighbors' names and number, the distance and its weight."""
        assert self.graph is not None
        return self.graph
