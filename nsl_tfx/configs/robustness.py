"""What RobustnessEvaluator measures and requires."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from nsl_tfx.configs.arrays import check_numbers
from nsl_tfx.configs.attack_suite import (
    ITERATIVE,
    NORMS,
    PRESETS,
    AttackBudget,
    AttackName,
    AttackPreset,
)
from nsl_tfx.configs.base import MAX_SEED, Config, bounded, check_distinct
from nsl_tfx.configs.corruption import SEVERITIES, CorruptionName, EditName
from nsl_tfx.configs.norm import NormType
from nsl_tfx.configs.smoothing import SmoothingConfig

# Of a curve that nobody asked for: up to the whole range of values, where an attack that works
# leaves no more than guessing.
_MOST_DOUBLINGS = 10


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
        feature_scale: How far the attacker reaches along a feature, in epsilons; a number or lists
            that broadcast to one example's feature, or a dict of them by feature name. Features
            without an entry have 1; what has 0 never changes.
        curve: Further epsilons at which accuracy is measured. When None a quarter and a half of
            `epsilon`, and its doublings up to the range of valid values; up to eight times where
            bounds or norm leave that open.
        clip_value_min: Lower bound of a valid feature value; a number or lists that broadcast to
            one example's feature, or a dict of them by feature name.
        clip_value_max: Upper bound, likewise.
        attacks: A preset, or the attacks themselves; their per-example union is what counts.
            Without a gradient attack among them the verdict is at best inconclusive.
        budget: How hard the attacks try; that of the preset when None.
        bisections: Where more than 0, each example's smallest epsilon is searched for by so many
            halvings of the range up to the largest epsilon, rather than read off the curve.
        smoothing: Certifies the smoothed model, too: what no attack can mislead it about.
        corruptions: Accidents of the input whose effect is measured, too, at each severity.
        severities: Which severities of 1 to 5.
        edits: Changes of single features whose worst case is searched for, too.
        max_edits: How many features of an example such a search may change.
        fault_features: The inputs of the model that corruptions and edits touch; all but neighbors'
            when empty. Unlike attacks they may touch integers and text, too.
        slices: Features by whose values the accuracies are also told, each with its own interval.
        min_accuracy: Bless only if the clean accuracy's lower bound reaches this.
        min_robust_accuracy: Bless only if the robust accuracy's lower bound reaches this.
        min_slice_robust_accuracy: Bless only if that of every slice does, in intervals that hold
            for all slices at once.
        min_corrupted_accuracy: Bless only if the accuracy's lower bound reaches this under every
            corruption, at the highest of `severities`.
        min_edited_accuracy: Bless only if the accuracy's lower bound reaches this under every kind
            of edit.
        max_accuracy_drop: Bless only if the clean accuracy is not significantly lower than the
            baseline model's by more than this: the lower bound of the paired drop stays within it.
            A guard: it takes evidence to hold a model back.
        min_robust_gain: Bless only if the robust accuracy exceeds the baseline model's by this: the
            lower bound of the paired gain reaches it. A claim: it takes evidence to be made; 0 asks
            for a model that is not less robust. Negative values allow a loss.
        confidence: Confidence level of the intervals.
        max_examples: Evaluate a random sample of this many examples; all when None.
        time_budget_s: Begin with no further examples after so many seconds. What is told then holds
            for the examples until there, a random sample; unlimited when None.
        query_budget: Take only as many examples as so many calls of the model are enough for,
            counted by example, if attacks need all that they may; unlimited when None.
        batch_size: Examples per call of the model.
        seed: Seed of the sample and of the attacks' random draws.

    Example:
        >>> config = RobustnessConfig(
        ...     features=("image",), label_feature="label", epsilon=0.1, curve=(0.05,)
        ... )
        >>> config.epsilons
        (0.05, 0.1)
        >>> [name.value for name in config.replace(attacks="fast").attack_names]
        ['noise', 'fgsm', 'pgd', 'apgd_dlr']
    """

    features: tuple[str, ...]
    label_feature: str
    epsilon: float = bounded(gt=0, unit="input units")
    id_feature: str | None = None
    splits: tuple[str, ...] = ("eval",)
    norm: NormType = NormType.INFINITY
    feature_scale: Any = None
    curve: tuple[float, ...] | None = None
    clip_value_min: Any = None
    clip_value_max: Any = None
    attacks: tuple[AttackName, ...] | AttackPreset = AttackPreset.STANDARD
    budget: AttackBudget | None = None
    bisections: int = bounded(0, ge=0, unit="halvings")
    smoothing: SmoothingConfig | None = None
    corruptions: tuple[CorruptionName, ...] = ()
    severities: tuple[int, ...] = SEVERITIES
    edits: tuple[EditName, ...] = ()
    max_edits: int = bounded(1, ge=1, unit="features")
    fault_features: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    min_accuracy: float | None = bounded(None, ge=0, le=1, unit="share of examples")
    min_robust_accuracy: float | None = bounded(None, ge=0, le=1, unit="share of examples")
    min_slice_robust_accuracy: float | None = bounded(None, ge=0, le=1, unit="share of examples")
    min_corrupted_accuracy: float | None = bounded(None, ge=0, le=1, unit="share of examples")
    min_edited_accuracy: float | None = bounded(None, ge=0, le=1, unit="share of examples")
    max_accuracy_drop: float | None = bounded(None, ge=0, le=1, unit="share of examples")
    min_robust_gain: float | None = bounded(None, ge=-1, le=1, unit="share of examples")
    confidence: float = bounded(0.95, gt=0, lt=1, unit="probability")
    max_examples: int | None = bounded(None, ge=1, unit="examples")
    time_budget_s: float | None = bounded(None, gt=0, unit="seconds")
    query_budget: int | None = bounded(None, ge=1, unit="calls of the model")
    batch_size: int = bounded(500, ge=1, unit="examples")
    seed: int = bounded(0, ge=0, le=MAX_SEED)

    @property
    def attack_names(self) -> tuple[AttackName, ...]:
        """The attacks by name; of a preset those that the norm knows."""
        if not isinstance(self.attacks, AttackPreset):
            return self.attacks
        names = PRESETS[self.attacks].names
        return tuple(name for name in names if self.norm in NORMS.get(name, NormType))

    @property
    def attack_budget(self) -> AttackBudget:
        """How hard the attacks try."""
        if self.budget is not None:
            return self.budget
        preset = self.attacks if isinstance(self.attacks, AttackPreset) else AttackPreset.STANDARD
        return PRESETS[preset].budget

    @property
    def epsilons(self) -> tuple[float, ...]:
        """Every epsilon that is measured, ascending: the curve's and the verdict's own."""
        curve = self.curve
        if curve is None:
            width = self._width()
            farthest = 8 * self.epsilon if width is None else max(width, self.epsilon)
            curve = (self.epsilon / 4, self.epsilon / 2, farthest)
            curve += tuple(
                epsilon
                for doublings in range(1, _MOST_DOUBLINGS + 1)
                if (epsilon := self.epsilon * 2**doublings) < farthest
            )
        return tuple(sorted({*curve, self.epsilon}))

    @property
    def needs_baseline(self) -> bool:
        """Whether a threshold compares with a baseline model."""
        return self.max_accuracy_drop is not None or self.min_robust_gain is not None

    @property
    def has_budget(self) -> bool:
        """Whether time or queries may leave examples out."""
        return self.time_budget_s is not None or self.query_budget is not None

    @property
    def has_threshold(self) -> bool:
        """Whether anything must be reached."""
        return any(getattr(self, name) is not None for name in THRESHOLDS)

    def of_feature(self, setting: Any, name: str) -> Any:
        """Returns what a setting by feature says about one of them; None where it says nothing.

        Example:
            >>> config = RobustnessConfig(
            ...     features=("a", "b"), label_feature="y", epsilon=0.1, clip_value_min={"a": 0.0}
            ... )
            >>> [config.of_feature(config.clip_value_min, name) for name in config.features]
            [0.0, None]
        """
        return setting.get(name) if isinstance(setting, Mapping) else setting

    def check(self) -> None:
        """Raises ValueError where fields are empty, repeat themselves or contradict each other."""
        for name in ("features", "splits"):
            check_distinct(f"RobustnessConfig.{name}", getattr(self, name))
        if not isinstance(self.attacks, AttackPreset):
            check_distinct("RobustnessConfig.attacks", self.attacks)
        for name in ("slices", "corruptions", "edits", "fault_features"):
            if getattr(self, name):
                check_distinct(f"RobustnessConfig.{name}", getattr(self, name))
        if self.label_feature in self.features:
            raise ValueError(
                "Expected RobustnessConfig.features without the label, which no attacker changes. "
                f"Received: label_feature={self.label_feature!r} among them."
            )
        if any(not epsilon > 0 for epsilon in self.curve or ()):
            raise ValueError(
                "Expected RobustnessConfig.curve > 0 (input units) throughout; the clean accuracy "
                f"is measured anyway. Received: curve={list(self.curve or ())}."
            )
        if not self.severities or not set(self.severities) <= set(SEVERITIES):
            raise ValueError(
                "Expected RobustnessConfig.severities to hold numbers from 1 to 5. Received: "
                f"{list(self.severities)}."
            )
        self._check_attacks()
        self._check_by_feature()
        self._check_range()
        self._check_thresholds()

    def _check_attacks(self) -> None:
        for name in self.attack_names:
            known = NORMS.get(name, tuple(NormType))
            if self.norm not in known:
                raise ValueError(
                    f"Expected RobustnessConfig.norm "
                    f"{' or '.join(repr(norm.value) for norm in known)} with attack "
                    f"{name.value!r}, which knows no other. Received: norm={self.norm.value!r}."
                )
        if self.bisections and not ITERATIVE & set(self.attack_names):
            raise ValueError(
                "Expected RobustnessConfig.attacks with one of "
                f"{', '.join(repr(name.value) for name in AttackName if name in ITERATIVE)}, "
                f"since bisections={self.bisections} search with it. Received: "
                f"{', '.join(repr(name.value) for name in self.attack_names)}."
            )

    def _check_by_feature(self) -> None:
        largest = sys.float_info.max
        check_numbers("RobustnessConfig.feature_scale", self.feature_scale, 0, largest)
        check_numbers("RobustnessConfig.clip_value_min", self.clip_value_min, -largest, largest)
        check_numbers("RobustnessConfig.clip_value_max", self.clip_value_max, -largest, largest)
        for setting in ("feature_scale", "clip_value_min", "clip_value_max"):
            value = getattr(self, setting)
            others = set(value) - set(self.features) if isinstance(value, Mapping) else set()
            if others:
                raise ValueError(
                    f"Expected RobustnessConfig.{setting} to name attacked features: "
                    f"{', '.join(self.features)}. Received: {', '.join(sorted(others))}."
                )

    def _width(self) -> float | None:
        """Returns the largest epsilon that means anything: it reaches over a feature's range.

        None where bounds leave it open; and in other norms, which add up over the elements.
        """
        if self.norm is not NormType.INFINITY:
            return None
        widths = []
        for name in self.features:
            low = self.of_feature(self.clip_value_min, name)
            high = self.of_feature(self.clip_value_max, name)
            if low is None or high is None:
                return None
            scale = self.of_feature(self.feature_scale, name)
            widths += _divided(low, high, 1.0 if scale is None else scale)
        return max(widths, default=None)

    def _check_range(self) -> None:
        low, high = self.clip_value_min, self.clip_value_max
        for name in self.features:
            least, most = self.of_feature(low, name), self.of_feature(high, name)
            numbers = isinstance(least, (int, float)) and isinstance(most, (int, float))
            if numbers and not least < most:
                raise ValueError(
                    "Expected RobustnessConfig.clip_value_min < clip_value_max. Received: "
                    f"{least} and {most} for feature {name!r}."
                )
        width = self._width()
        largest = max(self.epsilon, *(self.curve or (0.0,)))
        if width is not None and largest > width:
            raise ValueError(
                f"Expected RobustnessConfig.epsilon and curve of at most the range {width:g} "
                "between clip_value_min and clip_value_max (input units, divided by "
                "feature_scale); a larger perturbation replaces the whole input. Received: "
                f"{largest:g}."
            )

    def _check_thresholds(self) -> None:
        clean = self.min_accuracy
        for name in ("min_robust_accuracy", "min_slice_robust_accuracy", "min_edited_accuracy"):
            value = getattr(self, name)
            if value is not None and clean is not None and value > clean:
                raise ValueError(
                    f"Expected RobustnessConfig.{name} <= min_accuracy: an example that is "
                    "misclassified as it stands counts as attacked with success. Received: "
                    f"{name}={value}, min_accuracy={clean}."
                )
        needed = {
            "min_slice_robust_accuracy": "slices",
            "min_corrupted_accuracy": "corruptions",
            "min_edited_accuracy": "edits",
        }
        for name, what in needed.items():
            if getattr(self, name) is not None and not getattr(self, what):
                raise ValueError(
                    f"Expected RobustnessConfig.{what} to name at least one, since "
                    f"{name}={getattr(self, name)} judges them. Received: none."
                )


def _divided(low: Any, high: Any, scale: Any) -> list[float]:
    """Returns `(high - low) / scale`, element by element; nothing where the scale is 0."""
    import numpy as np

    try:
        width, unit = np.broadcast_arrays(np.subtract(high, low), scale)
    except ValueError:
        # Whether they fit an example shows when there is one.
        return [float("inf")]
    return [float(value) for value in (width[unit > 0] / unit[unit > 0]).ravel()]


THRESHOLDS = (
    "min_accuracy",
    "min_robust_accuracy",
    "min_slice_robust_accuracy",
    "min_corrupted_accuracy",
    "min_edited_accuracy",
    "max_accuracy_drop",
    "min_robust_gain",
)
"""The fields of RobustnessConfig that a model must reach; None where it need not."""
