"""What an evaluation found, as plain values."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness.paired import PairedDifference
from nsl_tfx.robustness.reporting.changes import largest_changes
from nsl_tfx.statistics import wilson_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT_VERSION = 2


class Verdict(str, enum.Enum):
    """Whether the model reached what was asked.

    `INCONCLUSIVE` means that the measurement cannot be trusted, or could not be made; it never
    blesses.
    """

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclasses.dataclass(frozen=True)
class Proportion:
    """A share of examples with its Wilson confidence interval."""

    count: int
    total: int
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, holds: NDArray[np.bool_], confidence: float) -> Proportion:
        """Returns the share of `holds` `[examples]` bool that is true."""
        count, total = int(np.sum(holds)), len(holds)
        low, high = wilson_interval(count, total, confidence)
        return cls(count, total, count / total, float(low), float(high))


@dataclasses.dataclass(frozen=True)
class AttackScore:
    """One attack at the verdict's epsilon.

    Noise, FGSM and PGD are told every example that is right to begin with; the others, which cost
    more, those that no attack before them misleads.

    Attributes:
        name: The attack's name in the config.
        settings: Its own settings, without the threat model that all share.
        queries: How often it asks the model about one example, at most.
        attacked: How many examples it was told.
        fooled: How many of them it misleads the model about.
        left: Share of all examples that stay right under it and all attacks before it.
        seconds: How long it took, the sum over workers; without the time for its graph, which
            the first epsilon's attack makes, unless that is the only one.
    """

    name: str
    settings: Mapping[str, Any]
    queries: int
    attacked: int
    fooled: int
    left: Proportion
    seconds: float


@dataclasses.dataclass(frozen=True)
class SliceScore:
    """The examples that share a feature's value.

    Attributes:
        feature: The feature's name.
        value: Its value, as text.
        accuracy: Share of them that is right as it stands.
        robust_accuracy: Share of them that stays right under every attack. The intervals of all
            slices hold at once, by Bonferroni's correction.
        p_value: Fisher's exact test of a robust accuracy that is no lower than that of all other
            examples, corrected for the number of slices by Holm's method.
    """

    feature: str
    value: str
    accuracy: Proportion
    robust_accuracy: Proportion
    p_value: float


@dataclasses.dataclass(frozen=True)
class Point:
    """Accuracy at one severity, or with so many features changed."""

    severity: int
    accuracy: Proportion


@dataclasses.dataclass(frozen=True)
class SeverityCurve:
    """Accuracy over the severity of one corruption or the extent of one kind of edit."""

    name: str
    points: tuple[Point, ...]


@dataclasses.dataclass(frozen=True)
class CertifiedPoint:
    """Share of examples about which no perturbation of an L2 norm misleads the smoothed model."""

    radius: float
    accuracy: Proportion


@dataclasses.dataclass(frozen=True)
class NeighborScore:
    """What a change of the neighbors in the graph does.

    Attributes:
        name: What is changed.
        accuracy: Share of examples that are right after it.
        changed: Share of examples whose predicted class it changes.
    """

    name: str
    accuracy: Proportion
    changed: Proportion


@dataclasses.dataclass(frozen=True)
class CurvePoint:
    """Accuracy under the union of all attacks at one epsilon; at 0 without attack."""

    epsilon: float
    accuracy: Proportion


@dataclasses.dataclass(frozen=True)
class Rows:
    """What happened to each example; every array is `[examples]`.

    Attributes:
        prediction: The class that the model gives to the unchanged example.
        correct: Whether that is the label, and the logits are finite.
        attacked_by: For each attack, which examples it was told at the verdict's epsilon.
        fooled_by: For each attack, about which of them it misleads the model.
        smallest_epsilon: The smallest measured epsilon at which any attack does; 0 for an example
            that is not correct to begin with, infinity for one that withstands all.
    """

    prediction: NDArray[np.int64]
    correct: NDArray[np.bool_]
    attacked_by: Mapping[str, NDArray[np.bool_]]
    fooled_by: Mapping[str, NDArray[np.bool_]]
    smallest_epsilon: NDArray[np.float64]

    def robust_at(self, epsilon: float) -> NDArray[np.bool_]:
        """Returns `[examples]` bool: correct, and not misled within this epsilon."""
        return self.smallest_epsilon > epsilon


@dataclasses.dataclass(frozen=True)
class Check:
    """One sanity check.

    Attributes:
        name: Short name, with the protocol's number.
        passed: None where it could not be made.
        message: What was seen; where it failed, with the cure.
    """

    name: str
    passed: bool | None
    message: str


@dataclasses.dataclass(frozen=True)
class Fragile:
    """An example that a small perturbation misleads, beside its adversarial twin.

    Attributes:
        example_id: Its id.
        row: Its row number.
        label: Its class, which the model finds.
        prediction: The class that the model gives to the twin.
        epsilon: The epsilon of the attack.
        attack: The attack's name.
        original: The attacked features, by name.
        adversarial: The twin's features, by name.
        margin: By how much the label's logit is the largest, before the attack.
    """

    example_id: str
    row: int
    label: int
    prediction: int
    epsilon: float
    attack: str
    original: Mapping[str, NDArray[Any]]
    adversarial: Mapping[str, NDArray[Any]]
    margin: float = 0.0


@dataclasses.dataclass(frozen=True)
class ModelScores:
    """One model's measurements.

    Attributes:
        classes: Number of logits.
        accuracy: Share of examples classified right, unchanged.
        robust_accuracy: Share that stays right under every attack within the verdict's epsilon: the
            mean over examples of the worst over attacks, never the worst of the attacks' means.
        attacks: Each attack, in the order in which they were made.
        curve: The union's accuracy from epsilon 0 up.
        checks: Whether the measurement can be trusted.
        rows: What happened to each example.
        fragile: The most fragile examples.
        slices: The accuracies by features' values.
        corruptions: The accuracy under each corruption.
        edits: The accuracy under the worst change of a few features, kind by kind.
        certified: The smoothed model's certified accuracy over the radius, where it was asked for.
        neighbors: What changes of the neighbors do, where the model has neighbors among its inputs.
    """

    classes: int
    accuracy: Proportion
    robust_accuracy: Proportion
    attacks: tuple[AttackScore, ...]
    curve: tuple[CurvePoint, ...]
    checks: tuple[Check, ...]
    rows: Rows
    fragile: tuple[Fragile, ...]
    slices: tuple[SliceScore, ...] = ()
    corruptions: tuple[SeverityCurve, ...] = ()
    edits: tuple[SeverityCurve, ...] = ()
    certified: tuple[CertifiedPoint, ...] = ()
    neighbors: tuple[NeighborScore, ...] = ()


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The model less the baseline, on the same examples: gains are positive."""

    accuracy: PairedDifference
    robust_accuracy: PairedDifference


@dataclasses.dataclass(frozen=True)
class RobustnessResult:
    """The outcome of `evaluate`.

    Attributes:
        verdict: Pass, fail or inconclusive.
        reasons: Why, in sentences.
        config: The settings.
        labels: `[examples]`, or None where the model could not be run at all.
        ids: `[examples]`, likewise.
        examples_seen: How many examples the sample was drawn from.
        examples_left_out: How many of the sample a budget of time or queries left out.
        data_fingerprint: A hash of the evaluated examples' ids and labels.
        model: The model's measurements; None where it could not be run.
        baseline: The baseline model's, where there is one.
        comparison: Both on the same examples, where both were measured.
        blessed: Whether the model may be pushed, which other components have a say in; None where
            nobody asked. Never true unless the verdict is a pass.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    config: RobustnessConfig
    labels: NDArray[np.int64] | None = None
    ids: tuple[str, ...] = ()
    examples_seen: int = 0
    examples_left_out: int = 0
    data_fingerprint: str = ""
    model: ModelScores | None = None
    baseline: ModelScores | None = None
    comparison: Comparison | None = None
    blessed: bool | None = None

    @property
    def reason(self) -> str:
        """The reasons as one text."""
        return " ".join(self.reasons)

    def headline(self) -> dict[str, int | float | str]:
        """Returns the few numbers that a person compares between runs."""
        found: dict[str, int | float | str] = {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "epsilon": self.config.epsilon,
            "norm": self.config.norm.value,
        }
        if self.blessed is not None:
            found["blessed"] = int(self.blessed)
        if self.model is not None:
            found["examples"] = self.model.accuracy.total
            found["checks_failed"] = sum(check.passed is False for check in self.model.checks)
            for name in ("accuracy", "robust_accuracy"):
                share: Proportion = getattr(self.model, name)
                found[name] = share.value
                found[f"{name}_low"] = share.low
                found[f"{name}_high"] = share.high
        if self.baseline is not None:
            found["baseline_accuracy"] = self.baseline.accuracy.value
            found["baseline_robust_accuracy"] = self.baseline.robust_accuracy.value
        return found

    def to_dict(self) -> dict[str, Any]:
        """Returns all but the rows of the single examples, as plain JSON values."""
        return {
            "format_version": FORMAT_VERSION,
            "verdict": self.verdict.value,
            "blessed": self.blessed,
            "reasons": list(self.reasons),
            "config": self.config.to_dict(),
            "config_fingerprint": self.config.fingerprint(),
            "examples": 0 if self.labels is None else len(self.labels),
            "examples_seen": self.examples_seen,
            "examples_left_out": self.examples_left_out,
            "data_fingerprint": self.data_fingerprint,
            "model": _scores(self.model, self.config),
            "baseline": _scores(self.baseline, self.config),
            "comparison": _plain(self.comparison),
        }

    def to_json(self) -> str:
        """Returns `to_dict` as readable JSON; null stands for a number that is not finite."""
        return json.dumps(_finite(self.to_dict()), indent=2, allow_nan=False) + "\n"

    def plot(self) -> Figure:
        """Draws the accuracy over epsilon, and what each attack leaves right.

        Raises:
            ValueError: The model could not be run.
        """
        from nsl_tfx.robustness.reporting.plots import plot_result

        return plot_result(self)

    def plot_examples(self, count: int = 4) -> Figure:
        """Draws the most fragile examples beside their adversarial twins.

        Args:
            count: How many, at most.

        Raises:
            ValueError: The model could not be run, or nothing misled it.
        """
        from nsl_tfx.robustness.reporting.plots import plot_fragile

        return plot_fragile(self, count)

    def __str__(self) -> str:
        from nsl_tfx.robustness.reporting.summary import summarize

        return summarize(self)

    def _repr_html_(self) -> str:
        # What a notebook shows.
        from nsl_tfx.robustness.reporting.summary import summary_html

        return summary_html(self)


def _scores(scores: ModelScores | None, config: RobustnessConfig) -> dict[str, Any] | None:
    if scores is None:
        return None
    names = (
        "classes",
        "accuracy",
        "robust_accuracy",
        "attacks",
        "curve",
        "checks",
        "slices",
        "corruptions",
        "edits",
        "certified",
        "neighbors",
    )
    found = {name: _plain(getattr(scores, name)) for name in names}
    found["smallest_epsilon_quantiles"] = smallest_epsilon_quantiles(scores.rows)
    found["fragile"] = [_fragile(fragile, config) for fragile in scores.fragile]
    return found


def _fragile(fragile: Fragile, config: RobustnessConfig) -> dict[str, Any]:
    """Returns what the report tells about an example, whose features may be large."""
    names = ("example_id", "row", "label", "prediction", "epsilon", "attack", "margin")
    changes = largest_changes(fragile.original, fragile.adversarial, config)
    return {
        **{name: getattr(fragile, name) for name in names},
        "changes": [{**_plain(change), "difference": change.difference} for change in changes],
    }


def smallest_epsilon_quantiles(rows: Rows) -> dict[str, float | None]:
    """Returns within which epsilon such shares of the examples are misled.

    None stands for beyond every measured epsilon: JSON has no infinity.
    """
    found = {}
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        value = float(np.quantile(rows.smallest_epsilon, share, method="lower"))
        found[f"{share:g}"] = value if math.isfinite(value) else None
    return found


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.value
    return value


def _finite(value: Any) -> Any:
    """Returns plain JSON values with None for infinity and NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
