"""What RobustnessEvaluator measures and requires."""

from __future__ import annotations

import dataclasses

from nsl_tfx.configs.base import MAX_SEED, Choice, Config, bounded, check_distinct
from nsl_tfx.configs.norm import NormType


class AttackName(Choice):
    """An attack that RobustnessEvaluator knows by name.

    `NOISE` draws extreme points of the ball and uses no gradient: a gradient attack that it beats
    is a broken one. `FGSM` is one gradient step, `PGD` many, `MIM` many along their average.
    `APGD_CE`, `APGD_DLR` and `APGD_T` choose the length of their steps by themselves; the last two
    see through a model that is only very sure, and `APGD_T`, which tries one target after the
    other, is the strongest. `SQUARE` searches at random and needs no gradient either; in the
    infinity norm alone.
    """

    NOISE = "noise"
    FGSM = "fgsm"
    PGD = "pgd"
    MIM = "mim"
    APGD_CE = "apgd_ce"
    APGD_DLR = "apgd_dlr"
    APGD_T = "apgd_t"
    SQUARE = "square"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
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
        steps: Gradient steps of PGD and MIM.
        step_size: Length of one step, in units of the input feature; when None, `2.5 * epsilon /
            steps` for PGD and `epsilon / steps` for MIM.
        restarts: Random starts of PGD, besides the start at the example itself.
        apgd_steps: Gradient steps of APGD from each start.
        apgd_restarts: Random starts of APGD, besides the start at the example itself.
        apgd_targets: How many other classes APGD_T tries to reach, the likeliest first.
        square_queries: How often the square attack asks the model about each example.
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
    apgd_steps: int = bounded(100, ge=1, unit="gradient steps")
    apgd_restarts: int = bounded(0, ge=0, unit="random starts")
    apgd_targets: int = bounded(9, ge=1, unit="classes")
    square_queries: int = bounded(5000, ge=1, unit="calls of the model")
    noise_draws: int = bounded(20, ge=1, unit="random points")
    min_accuracy: float | None = bounded(None, ge=0, le=1, unit="share of examples")
    min_robust_accuracy: float | None = bounded(None, ge=0, le=1, unit="share of examples")
    max_accuracy_drop: float | None = bounded(None, ge=0, le=1, unit="share of examples")
    min_robust_gain: float | None = bounded(None, ge=-1, le=1, unit="share of examples")
    confidence: float = bounded(0.95, gt=0, lt=1, unit="probability")
    max_examples: int | None = bounded(None, ge=1, unit="examples")
    batch_size: int = bounded(500, ge=1, unit="examples")
    seed: int = bounded(0, ge=0, le=MAX_SEED)

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
            check_distinct(f"RobustnessConfig.{name}", getattr(self, name))
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
        if AttackName.SQUARE in self.attacks and self.norm is not NormType.INFINITY:
            raise ValueError(
                "Expected RobustnessConfig.norm 'infinity' with attack 'square', which searches "
                f"that ball's corners. Received: norm={self.norm.value!r}."
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
