"""How the distance between predictions becomes a loss."""

from __future__ import annotations

import dataclasses

from nsl_tfx.configs.base import Choice, Config


class DistanceType(Choice):
    """How far apart two predictions or embeddings are."""

    L1 = "l1"
    L2 = "l2"
    COSINE = "cosine"
    JENSEN_SHANNON_DIVERGENCE = "jensen_shannon_divergence"
    KL_DIVERGENCE = "kl_divergence"


class TransformType(Choice):
    """What is applied to both sides before their distance is taken; `NONE` may be given as None."""

    SOFTMAX = "softmax"
    NONE = "none"

    @classmethod
    def _missing_(cls, value: object) -> TransformType | None:
        return cls.NONE if value is None else None


class Reduction(Choice):
    """How weighted distances become one number; the values are TensorFlow 1's names.

    The divisor of each: `SUM` 1, `MEAN` the sum of the weights, `SUM_OVER_BATCH_SIZE` the number
    of elements, `SUM_BY_NONZERO_WEIGHTS` the number of elements whose weight is not zero.
    """

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"


@dataclasses.dataclass(frozen=True, eq=False)
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

    def check(self) -> None:
        """Raises ValueError where the distance is one of whole vectors, and no axis holds them."""
        elementwise = self.distance_type in (DistanceType.L1, DistanceType.L2)
        if not elementwise and self.sum_over_axis is None:
            raise ValueError(
                f"Expected DistanceConfig.sum_over_axis for {self.distance_type.value} (usually "
                "-1). Received: sum_over_axis=None."
            )

    def require_scalar(self) -> None:
        """Raises ValueError where the distances would not become one number."""
        if self.reduction is Reduction.NONE:
            raise ValueError(
                "Expected DistanceConfig.reduction to give one number, as a loss has to be. "
                f"Received: reduction={self.reduction.value!r}."
            )


DEFAULT_DISTANCE_PARAMS = DistanceConfig().fields()
