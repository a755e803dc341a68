"""How the Trainer module trains."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nsl_tfx.configs.adversarial import AdvRegConfig
from nsl_tfx.configs.base import MAX_SEED, Config, bounded, check_distinct
from nsl_tfx.configs.graph_regularization import GraphRegConfig


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrainerConfig(Config):
    """How `nsl_tfx.trainer.run_fn` trains a model.

    Attributes:
        model_fn: Dotted path of a function that takes this config and returns a Keras model from
            the features, by name, to one logit a class.
        features: The features that the model takes.
        label_feature: The integer class of each example. Examples without it train the graph term
            only.
        graph: Graph regularization; off when None.
        adversarial: Adversarial regularization; off when None.
        batch_size: Examples of one step.
        learning_rate: Step size of the optimizer (Adam).
        seed: Seed of the weights, the shuffling and the random starts.
        model_options: Passed on for `model_fn` to read.
    """

    model_fn: str
    features: tuple[str, ...]
    label_feature: str = "label"
    graph: GraphRegConfig | None = None
    adversarial: AdvRegConfig | None = None
    batch_size: int = bounded(128, ge=1, unit="examples")
    learning_rate: float = bounded(0.001, gt=0, unit="per step")
    seed: int = bounded(0, ge=0, le=MAX_SEED)
    model_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def check(self) -> None:
        """Raises ValueError where the features, or the graph term, cannot be what is meant."""
        check_distinct("TrainerConfig.features", self.features)
        if self.label_feature in self.features:
            raise ValueError(
                "Expected TrainerConfig.features without the label, which the model must not see. "
                f"Received: label_feature={self.label_feature!r} among them."
            )
        if self.graph is not None:
            self.graph.require_neighbors()
