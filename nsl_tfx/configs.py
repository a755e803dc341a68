"""Every setting of the library, as frozen dataclasses.

A config is checked when it is made and crosses into a TFX component as one JSON string:

Example:
    >>> config = SimilarityGraphConfig(embedding_feature="image", num_neighbors=5)
    >>> SimilarityGraphConfig.from_json(config.to_json()) == config
    True
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

from nsl_tfx.config_base import Config, bounded


class NormType(str, enum.Enum):
    """A norm in which a perturbation's size is measured."""

    L1 = "l1"
    L2 = "l2"
    INFINITY = "infinity"


class DistanceType(str, enum.Enum):
    """How far apart two predictions or embeddings are."""

    L1 = "l1"
    L2 = "l2"
    COSINE = "cosine"
    JENSEN_SHANNON_DIVERGENCE = "jensen_shannon_divergence"
    KL_DIVERGENCE = "kl_divergence"


class TransformType(str, enum.Enum):
    """What is applied to both sides before their distance is taken."""

    SOFTMAX = "softmax"
    NONE = "none"


class Reduction(str, enum.Enum):
    """How weighted distances become one number; the values are TensorFlow 1's names.

    The divisor of each: `SUM` 1, `MEAN` the sum of the weights, `SUM_OVER_BATCH_SIZE` the number
    of elements, `SUM_BY_NONZERO_WEIGHTS` the number of elements whose weight is not zero.
    """

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"


class Symmetrize(str, enum.Enum):
    """Which directed nearest-neighbor edges become edges of the graph."""

    UNION = "union"
    MUTUAL = "mutual"
    NONE = "none"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdvNeighborConfig(Config):
    """How an adversarial neighbor of an example is found.

    Attributes:
        feature_mask: Multiplied with the gradient; a tensor or list that broadcasts to the feature,
            or a dict of them by feature name. A feature or element masked by 0 never changes.
        adv_step_size: Length of one step in `adv_grad_norm`, in units of the input feature.
        adv_grad_norm: The norm of the step and of the ball.
        clip_value_min: Lower bound of the perturbed feature; a number, or a dict by feature name.
        clip_value_max: Upper bound of the perturbed feature; a number, or a dict by feature name.
        pgd_iterations: Number of gradient steps; 1 is the fast gradient method.
        pgd_epsilon: Radius of the ball around the input that all steps stay in; no ball when None.
        random_init: Whether to start at a random point of the ball rather than at the input.
    """

    feature_mask: Any = None
    adv_step_size: float = bounded(0.001, ge=0, unit="input units")
    adv_grad_norm: NormType = NormType.L2
    clip_value_min: Any = None
    clip_value_max: Any = None
    pgd_iterations: int = bounded(1, ge=1, unit="steps")
    pgd_epsilon: float | None = bounded(None, ge=0, unit="input units")
    random_init: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdvRegConfig(Config):
    """Adversarial regularization: the loss on adversarial neighbors, times `multiplier`."""

    multiplier: float = bounded(0.2, ge=0, unit="weight of the adversarial loss")
    adv_neighbor_config: AdvNeighborConfig = AdvNeighborConfig()


def make_adv_reg_config(
    multiplier: float = 0.2,
    feature_mask: Any = None,
    adv_step_size: float = 0.001,
    adv_grad_norm: NormType | str = "l2",
    clip_value_min: Any = None,
    clip_value_max: Any = None,
    pgd_iterations: int = 1,
    pgd_epsilon: float | None = None,
    random_init: bool = False,
) -> AdvRegConfig:
    """Makes an `AdvRegConfig` in one call; the arguments are the fields of both configs.

    Example:
        >>> make_adv_reg_config(adv_step_size=0.1).adv_neighbor_config.adv_step_size
        0.1
    """
    return AdvRegConfig(
        multiplier=multiplier,
        adv_neighbor_config=AdvNeighborConfig(
            feature_mask=feature_mask,
            adv_step_size=adv_step_size,
            adv_grad_norm=NormType(adv_grad_norm),
            clip_value_min=clip_value_min,
            clip_value_max=clip_value_max,
            pgd_iterations=pgd_iterations,
            pgd_epsilon=pgd_epsilon,
            random_init=random_init,
        ),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DistanceConfig(Config):
    """How the distance between two batches of vectors becomes a loss.

    Attributes:
        distance_type: The distance; `L2` is the squared difference, without the root.
        reduction: How the weighted distances become one number.
        sum_over_axis: The axis that holds one vector: distances are summed over it. Required for
            cosine and the divergences.
        transform_fn: What is applied to both sides first.
    """

    distance_type: DistanceType = DistanceType.L2
    reduction: Reduction = Reduction.SUM_BY_NONZERO_WEIGHTS
    sum_over_axis: int | None = None
    transform_fn: TransformType = TransformType.NONE


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphNeighborConfig(Config):
    """How neighbors' features are named inside an augmented example.

    Attributes:
        prefix: Start of every neighbor feature's name: `<prefix><i>_<feature>`.
        weight_suffix: End of an edge weight's name: `<prefix><i><weight_suffix>`.
        max_neighbors: How many neighbors of an example are used.
    """

    prefix: str = "NL_nbr_"
    weight_suffix: str = "_weight"
    max_neighbors: int = bounded(0, ge=0, unit="neighbors")

    def feature_name(self, index: int, feature: str) -> str:
        """Returns the name of `feature` of the neighbor number `index`, counted from 0."""
        return f"{self.prefix}{index}_{feature}"

    def weight_name(self, index: int) -> str:
        """Returns the name of the edge weight of the neighbor number `index`."""
        return f"{self.prefix}{index}{self.weight_suffix}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphRegConfig(Config):
    """Graph regularization: the distance to neighbors' predictions, times `multiplier`."""

    neighbor_config: GraphNeighborConfig = GraphNeighborConfig()
    multiplier: float = bounded(0.01, ge=0, unit="weight of the graph loss")
    distance_config: DistanceConfig = DistanceConfig()


def make_graph_reg_config(
    neighbor_prefix: str = "NL_nbr_",
    neighbor_weight_suffix: str = "_weight",
    max_neighbors: int = 0,
    multiplier: float = 0.01,
    distance_type: DistanceType | str = DistanceType.L2,
    reduction: Reduction | str = Reduction.SUM_BY_NONZERO_WEIGHTS,
    sum_over_axis: int | None = None,
    transform_fn: TransformType | str = TransformType.NONE,
) -> GraphRegConfig:
    """Makes a `GraphRegConfig` in one call.

    Example:
        >>> make_graph_reg_config(max_neighbors=2).neighbor_config.max_neighbors
        2
    """
    return GraphRegConfig(
        neighbor_config=GraphNeighborConfig(
            prefix=neighbor_prefix,
            weight_suffix=neighbor_weight_suffix,
            max_neighbors=max_neighbors,
        ),
        multiplier=multiplier,
        distance_config=DistanceConfig(
            distance_type=DistanceType(distance_type),
            reduction=Reduction(reduction),
            sum_over_axis=sum_over_axis,
            transform_fn=TransformType(transform_fn),
        ),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimilarityGraphConfig(Config):
    """How GraphBuilder makes a graph from examples' embeddings.

    Attributes:
        embedding_feature: The float feature that holds each example's vector.
        id_feature: The feature that holds each example's unique id.
        label_feature: Where named, the share of edges that join equal labels is reported. Examples
            without it are allowed and left out of that share. It never decides about an edge.
        splits: The splits whose examples become nodes.
        num_neighbors: How many nearest neighbors of each node are looked at. With `union` a node
            may end up with more edges, since it can be a neighbor of many.
        similarity_threshold: Edges of a lower cosine similarity, rounded to millionths, are
            dropped.
        symmetrize: Whether an edge needs one of its ends to be a nearest neighbor of the other
            (union, both directions written), both of them (mutual), or stays directed (none).
    """

    embedding_feature: str
    id_feature: str = "id"
    label_feature: str | None = None
    splits: tuple[str, ...] = ("train",)
    num_neighbors: int = bounded(10, ge=1, unit="neighbors of a node")
    similarity_threshold: float = bounded(-1.0, ge=-1, le=1, unit="cosine similarity")
    symmetrize: Symmetrize = Symmetrize.UNION

    def check(self) -> None:
        """Raises ValueError where no split, or one twice, would become nodes."""
        _check_splits(self.splits, "SimilarityGraphConfig.splits")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentConfig(Config):
    """How NeighborAugmenter writes neighbors into examples.

    Attributes:
        id_feature: The feature that holds each example's unique id.
        features: The features of a neighbor that are carried along; every feature of the Schema,
            id and label included, when None.
        neighbors: How many neighbors, and how their features are named.
        splits: The splits whose examples get neighbors, and supply them. Other splits are copied
            with no neighbors, so that nothing of an evaluation split enters training.
    """

    id_feature: str = "id"
    features: tuple[str, ...] | None = None
    neighbors: GraphNeighborConfig = GraphNeighborConfig(max_neighbors=3)
    splits: tuple[str, ...] = ("train",)

    def check(self) -> None:
        """Raises ValueError where no neighbor would be written."""
        if self.neighbors.max_neighbors < 1:
            raise ValueError(
                "Expected AugmentConfig.neighbors.max_neighbors >= 1 (neighbors). "
                f"Received: max_neighbors={self.neighbors.max_neighbors}."
            )
        _check_splits(self.splits, "AugmentConfig.splits")
        if len(set(self.features or ())) < len(self.features or ()):
            raise ValueError(
                "Expected every feature once in AugmentConfig.features. "
                f"Received: {', '.join(self.features or ())}."
            )


def _check_splits(splits: tuple[str, ...], where: str) -> None:
    if not splits or len(set(splits)) < len(splits):
        raise ValueError(
            f"Expected {where} to name at least one split, each once. "
            f"Received: {', '.join(splits) or 'none'}."
        )


class AttackName(str, enum.Enum):
    """An attack that RobustnessEvaluator knows by name.

    `NOISE` draws extreme points of the ball and uses no gradient: a gradient attack that it beats
    is a broken one. `FGSM` is one gradient step, `PGD` many.
    """

    NOISE = "noise"
    FGSM = "fgsm"
    PGD = "pgd"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RobustnessConfig(Config):
    """What RobustnessEvaluator measures, and what a model must reach to be blessed.

    Attributes:
        features: The float features that an attacker may change.
        label_feature: The integer class of each example.
        id_feature: Names the examples in the report; their position does when None.
        splits: The splits to evaluate on; never one that was trained on.
        norm: The norm of the perturbation, over all attacked features of an example together.
        epsilon: The largest perturbation that the verdict counts, in units of the input feature.
        curve: Further epsilons at which accuracy is measured for the curve in the report.
        clip_value_min: Lower bound of a valid feature value.
        clip_value_max: Upper bound of a valid feature value.
        attacks: The attacks; their per-example union is what counts. Without a gradient attack
            among them the verdict is at best inconclusive.
        steps: Gradient steps of an iterative attack.
        step_size: Length of one step, in units of the input feature; `2.5 * epsilon / steps` when
            None.
        restarts: Random starts of an iterative attack, besides the start at the example itself.
        noise_draws: Random points that the noise attack tries for each example.
        min_accuracy: Bless only if the clean accuracy's lower bound reaches this.
        min_robust_accuracy: Bless only if the robust accuracy's lower bound reaches this.
        max_accuracy_drop: Bless only if the clean accuracy is not significantly lower than the
            baseline model's by more than this: the lower bound of the paired drop stays within it.
            A guard: it takes evidence to hold a model back.
        min_robust_gain: Bless only if the robust accuracy exceeds the baseline model's by this: the
            lower bound of the paired gain reaches it. A claim: it takes evidence to be made; 0 asks
            for a model that is not less robust. Negative values allow a loss.
        confidence: Confidence level of the intervals.
        max_examples: Evaluate a random sample of this many examples; all when None.
        batch_size: Examples per call of the model.
        seed: Seed of the sample and of the attacks' random starts.

    Example:
        >>> config = RobustnessConfig(features=("image",), label_feature="label", epsilon=0.1)
        >>> config.epsilons
        (0.1,)
    """

    features: tuple[str, ...]
    label_feature: str
    epsilon: float = bounded(gt=0, unit="input units")
    id_feature: str | None = None
    splits: tuple[str, ...] = ("eval",)
    norm: NormType = NormType.INFINITY
    curve: tuple[float, ...] = ()
    clip_value_min: float | None = None
    clip_value_max: float | None = None
    attacks: tuple[AttackName, ...] = (AttackName.NOISE, AttackName.FGSM, AttackName.PGD)
    steps: int = bounded(40, ge=1, unit="gradient steps")
    step_size: float | None = bounded(None, gt=0, unit="input units")
    restarts: int = bounded(5, ge=0, unit="random starts")
    noise_draws: int = bounded(20, ge=1, unit="random points")
    min_accuracy: float | None = bounded(None, ge=0, le=1, unit="share of examples")
    min_robust_accuracy: float | None = bounded(None, ge=0, le=1, unit="share of examples")
    max_accuracy_drop: float | None = bounded(None, ge=0, le=1, unit="share of examples")
    min_robust_gain: float | None = bounded(None, ge=-1, le=1, unit="share of examples")
    confidence: float = bounded(0.95, gt=0, lt=1, unit="probability")
    max_examples: int | None = bounded(None, ge=1, unit="examples")
    batch_size: int = bounded(500, ge=1, unit="examples")
    seed: int = bounded(0, ge=0)

    @property
    def epsilons(self) -> tuple[float, ...]:
        """Every epsilon that is measured, ascending: the curve's and the verdict's own."""
        return tuple(sorted({*self.curve, self.epsilon}))

    @property
    def needs_baseline(self) -> bool:
        """Whether a threshold compares with a baseline model."""
        return self.max_accuracy_drop is not None or self.min_robust_gain is not None

    def check(self) -> None:
        """Raises ValueError where fields are empty, repeat themselves or contradict each other."""
        for name in ("features", "splits", "attacks"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(
                    f"Expected RobustnessConfig.{name} to name at least one, each once. "
                    f"Received: {[getattr(value, 'value', value) for value in values]}."
                )
        if self.label_feature in self.features:
            raise ValueError(
                "Expected RobustnessConfig.features without the label, which no attacker changes. "
                f"Received: label_feature={self.label_feature!r} among them."
            )
        if any(not epsilon > 0 for epsilon in self.curve):
            raise ValueError(
                "Expected RobustnessConfig.curve > 0 (input units) throughout; the clean accuracy "
                f"is measured anyway. Received: curve={list(self.curve)}."
            )
        self._check_range()
        low, high = self.min_robust_accuracy, self.min_accuracy
        if low is not None and high is not None and low > high:
            raise ValueError(
                "Expected RobustnessConfig.min_robust_accuracy <= min_accuracy: an example that is "
                "misclassified as it stands counts as attacked with success. Received: "
                f"min_robust_accuracy={low}, min_accuracy={high}."
            )

    def _check_range(self) -> None:
        if self.clip_value_min is None or self.clip_value_max is None:
            return
        width = self.clip_value_max - self.clip_value_min
        if not width > 0:
            raise ValueError(
                "Expected RobustnessConfig.clip_value_min < clip_value_max. Received: "
                f"{self.clip_value_min} and {self.clip_value_max}."
            )
        # Other norms add up over the elements, whose number is not known here.
        if self.norm is NormType.INFINITY and self.epsilons[-1] > width:
            raise ValueError(
                f"Expected RobustnessConfig.epsilon and curve of at most the range {width:g} "
                "between clip_value_min and clip_value_max (input units); a larger perturbation "
                f"replaces the whole input. Received: {self.epsilons[-1]:g}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
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
    seed: int = 0
    model_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
