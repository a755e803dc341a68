"""How adversarial neighbors are found and weighed."""

from __future__ import annotations

import dataclasses
from typing import Any

from nsl_tfx.configs.arrays import check_numbers
from nsl_tfx.configs.base import Choice, Config, bounded
from nsl_tfx.configs.distance import DistanceConfig, DistanceType, TransformType
from nsl_tfx.configs.norm import NormType


class AdvTargetType(Choice):
    """Which class an attack aims at.

    `SECOND` is the second most likely one, `LEAST` the least likely, `RANDOM` any, `GROUND_TRUTH`
    the label itself, to move away from.
    """

    SECOND = "second"
    LEAST = "least"
    RANDOM = "random"
    GROUND_TRUTH = "ground_truth"


@dataclasses.dataclass(frozen=True, eq=False)
class AdvNeighborConfig(Config):
    """How an adversarial neighbor of an example is found.

    Attributes:
        feature_mask: Multiplied with the gradient; numbers from 0 to 1 that broadcast to the
            feature, or a dict or list of them, matching the features. A feature or element masked
            by 0 never changes.
        adv_step_size: Length of one step in `adv_grad_norm`, in units of the input feature.
        adv_grad_norm: The norm of the step and of the ball.
        clip_value_min: Lower bound of the perturbed feature; numbers that broadcast to it, or a
            dict or list of them. A feature that such a dict leaves out is not bounded.
        clip_value_max: Upper bound of the perturbed feature, likewise.
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

    def check(self) -> None:
        """Raises TypeError or ValueError where mask or bounds hold no such numbers."""
        check_numbers("AdvNeighborConfig.feature_mask", self.feature_mask, low=0, high=1)
        check_numbers("AdvNeighborConfig.clip_value_min", self.clip_value_min)
        check_numbers("AdvNeighborConfig.clip_value_max", self.clip_value_max)
        low, high = self.clip_value_min, self.clip_value_max
        if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
            raise ValueError(
                "Expected AdvNeighborConfig.clip_value_min <= clip_value_max. "
                f"Received: {low!r} and {high!r}."
            )


@dataclasses.dataclass(frozen=True, eq=False)
class AdvRegConfig(Config):
    """Adversarial regularization: the loss on adversarial neighbors, times `multiplier`."""

    multiplier: float = bounded(0.2, ge=0, unit="weight of the adversarial loss")
    adv_neighbor_config: AdvNeighborConfig = AdvNeighborConfig()


@dataclasses.dataclass(frozen=True, eq=False)
class AdvTargetConfig(Config):
    """Which class an attack aims at, and the seed of the random choice."""

    target_method: AdvTargetType = AdvTargetType.GROUND_TRUTH
    random_seed: float = 0.0


@dataclasses.dataclass(frozen=True, eq=False)
class VirtualAdvConfig(Config):
    """Virtual adversarial regularization (Miyato et al. 2018, "Virtual adversarial training").

    Attributes:
        adv_neighbor_config: Step size, norm and mask of the perturbation.
        distance_config: How far apart two predictions are.
        num_approx_steps: Power iterations towards the most sensitive direction.
        approx_difference: Length of the step that a power iteration differentiates over, in units
            of the input feature.
    """

    adv_neighbor_config: AdvNeighborConfig = AdvNeighborConfig()
    distance_config: DistanceConfig = DistanceConfig()
    num_approx_steps: int = bounded(1, ge=1, unit="power iterations")
    approx_difference: float = bounded(1e-6, gt=0, unit="input units")

    def check(self) -> None:
        """Raises ValueError where the distances would not become a loss."""
        self.distance_config.require_scalar()


LOGITS_DIVERGENCE = DistanceConfig(
    distance_type=DistanceType.KL_DIVERGENCE, sum_over_axis=-1, transform_fn=TransformType.SOFTMAX
)
"""Kullback and Leibler's divergence between the class probabilities that logits stand for."""


@dataclasses.dataclass(frozen=True, eq=False)
class VirtualAdvRegConfig(Config):
    """Virtual adversarial regularization: the prediction's largest movement, times `multiplier`.

    Miyato et al. 2018, "Virtual adversarial training", eq. 8.

    Attributes:
        virtual_adv_config: How far and in which norm the input moves, and how the prediction's
            movement is measured.
        multiplier: Weight of the virtual adversarial loss; the paper's alpha.
    """

    virtual_adv_config: VirtualAdvConfig
    multiplier: float = bounded(1.0, ge=0, unit="weight of the virtual adversarial loss")


@dataclasses.dataclass(frozen=True, eq=False)
class TradesRegConfig(Config):
    """TRADES: the divergence between clean and attacked prediction, times `multiplier`.

    Zhang et al. 2019, "Theoretically principled trade-off between robustness and accuracy",
    algorithm 1.

    Attributes:
        adv_neighbor_config: The attack. Its `pgd_epsilon` is required. Without `random_init` it
            starts at the input plus the paper's tiny Gaussian noise, since at the input itself the
            divergence has no slope.
        multiplier: Weight of the divergence; the paper's 1 / lambda.
        distance_config: The divergence. The default takes logits; for a model that ends in a
            softmax set its `transform_fn` to none.
    """

    adv_neighbor_config: AdvNeighborConfig
    multiplier: float = bounded(6.0, ge=0, unit="weight of the divergence")
    distance_config: DistanceConfig = LOGITS_DIVERGENCE

    def check(self) -> None:
        """Raises ValueError where the ball has no radius, or the distances would be no loss."""
        if self.adv_neighbor_config.pgd_epsilon is None:
            raise ValueError(
                "Expected TradesRegConfig.adv_neighbor_config.pgd_epsilon, the radius of the ball "
                "in units of the input feature. Received: None."
            )
        self.distance_config.require_scalar()


def make_virtual_adv_reg_config(
    adv_step_size: float,
    multiplier: float = 1.0,
    feature_mask: Any = None,
    adv_grad_norm: NormType | str = NormType.L2,
    num_approx_steps: int = 1,
    distance_config: DistanceConfig = LOGITS_DIVERGENCE,
) -> VirtualAdvRegConfig:
    """Makes a `VirtualAdvRegConfig` in one call.

    Args:
        adv_step_size: How far the input moves, in its own units: the paper's epsilon.
        multiplier: Weight of the virtual adversarial loss.
        feature_mask: As in `AdvNeighborConfig`.
        adv_grad_norm: The norm of the movement.
        num_approx_steps: Power iterations towards the most sensitive direction.
        distance_config: How the prediction's movement is measured. The default takes logits.

    Example:
        >>> make_virtual_adv_reg_config(2.0).virtual_adv_config.adv_neighbor_config.adv_step_size
        2.0
    """
    return VirtualAdvRegConfig(
        virtual_adv_config=VirtualAdvConfig(
            adv_neighbor_config=AdvNeighborConfig(
                feature_mask=feature_mask,
                adv_step_size=adv_step_size,
                adv_grad_norm=adv_grad_norm,  # type: ignore[arg-type]  # A name becomes a member.
            ),
            distance_config=distance_config,
            num_approx_steps=num_approx_steps,
        ),
        multiplier=multiplier,
    )


def make_trades_reg_config(
    epsilon: float,
    step_size: float | None = None,
    steps: int = 10,
    multiplier: float = 6.0,
    feature_mask: Any = None,
    norm: NormType | str = NormType.INFINITY,
    clip_value_min: Any = None,
    clip_value_max: Any = None,
    random_init: bool = False,
    distance_config: DistanceConfig = LOGITS_DIVERGENCE,
) -> TradesRegConfig:
    """Makes a `TradesRegConfig` in one call.

    Args:
        epsilon: Radius of the ball, in units of the input feature.
        step_size: Length of a step, likewise; `2.5 * epsilon / steps` when None.
        steps: Gradient steps of the attack.
        multiplier: Weight of the divergence.
        feature_mask: As in `AdvNeighborConfig`.
        norm: The norm of the ball and of the steps.
        clip_value_min: As in `AdvNeighborConfig`.
        clip_value_max: As in `AdvNeighborConfig`.
        random_init: Whether to start anywhere in the ball.
        distance_config: The divergence. The default takes logits.

    Example:
        >>> make_trades_reg_config(0.1).adv_neighbor_config.adv_step_size
        0.025
    """
    return TradesRegConfig(
        adv_neighbor_config=AdvNeighborConfig(
            feature_mask=feature_mask,
            adv_step_size=2.5 * epsilon / steps if step_size is None else step_size,
            adv_grad_norm=norm,  # type: ignore[arg-type]  # A name becomes a member.
            clip_value_min=clip_value_min,
            clip_value_max=clip_value_max,
            pgd_iterations=steps,
            pgd_epsilon=epsilon,
            random_init=random_init,
        ),
        multiplier=multiplier,
        distance_config=distance_config,
    )


def make_adv_reg_config(
    multiplier: float = 0.2,
    feature_mask: Any = None,
    adv_step_size: float = 0.001,
    adv_grad_norm: NormType | str = NormType.L2,
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
            adv_grad_norm=adv_grad_norm,  # type: ignore[arg-type]  # A name becomes a member.
            clip_value_min=clip_value_min,
            clip_value_max=clip_value_max,
            pgd_iterations=pgd_iterations,
            pgd_epsilon=pgd_epsilon,
            random_init=random_init,
        ),
    )


DEFAULT_ADVERSARIAL_PARAMS = AdvNeighborConfig().fields()
