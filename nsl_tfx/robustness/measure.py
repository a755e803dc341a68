"""Measures one model: clean accuracy, every attack, the curve, and the checks."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import AttackName, RobustnessConfig
from nsl_tfx.robustness import checks
from nsl_tfx.robustness.data import Examples
from nsl_tfx.robustness.model import ModelUnderTest, UnusableModelError
from nsl_tfx.robustness.result import (
    AttackScore,
    CurvePoint,
    Fragile,
    ModelScores,
    Proportion,
    Rows,
)
from nsl_tfx.robustness.runner import GradientHealth, Runner, is_right
from nsl_tfx.robustness.suite import (
    GRADIENT_FREE,
    PlannedAttack,
    make_attack,
    make_full_range_attack,
)

MAX_FRAGILE = 8
# Whether an attack works at all shows on few examples: of 256 that survive by chance at 10 %, the
# Wilson interval spans 4 points to either side.
MAX_FULL_RANGE_EXAMPLES = 256

_LOG = logging.getLogger(__name__)


def measure(model: ModelUnderTest, examples: Examples, config: RobustnessConfig) -> ModelScores:
    """Runs the whole protocol on one model.

    Raises:
        UnusableModelError: The model gives one logit only.
        ValueError: Features or labels do not fit the model or the config.
    """
    model.check_attackable(config.features)
    _check_box(examples, config)
    return _Measurement(model, examples, config).run()


class _Measurement:
    def __init__(self, model: ModelUnderTest, examples: Examples, config: RobustnessConfig) -> None:
        self.examples, self.config = examples, config
        self.runner = Runner(model, examples, config.features, config.batch_size)
        every = np.arange(len(examples))
        self.logits = self.runner.logits(every)
        self.classes = self.logits.shape[1]
        _check_labels(examples.labels, self.classes)
        self.correct = is_right(self.logits, examples.labels)
        self.margin = _margin(self.logits, examples.labels)
        # 0 for what is wrong to begin with; infinity until an attack succeeds.
        self.smallest = np.where(self.correct, math.inf, 0.0)
        self.fooled_by: dict[AttackName, NDArray[np.bool_]] = {}
        self.invalid: dict[str, int] = {}
        self.attacked = 0
        self.attacks: list[AttackScore] = []
        self.fragile: list[Fragile] = []
        self.health = self._gradient_health(every)
        usable = [n for n in config.attacks if self._has_gradients() or n in GRADIENT_FREE]
        # Gradients first: their adversarial examples are the ones worth showing.
        self.names = sorted(usable, key=lambda name: name in GRADIENT_FREE)

    def run(self) -> ModelScores:
        for epsilon in self.config.epsilons:
            self._attack_all(epsilon)
        rows = Rows(
            self.logits.argmax(axis=1),
            self.correct,
            {name.value: fooled for name, fooled in self.fooled_by.items()},
            self.smallest,
        )
        points = [CurvePoint(0.0, self._share(self.correct))]
        points += [
            CurvePoint(epsilon, self._share(rows.robust_at(epsilon)))
            for epsilon in self.config.epsilons
        ]
        return ModelScores(
            classes=self.classes,
            accuracy=points[0].accuracy,
            robust_accuracy=self._share(rows.robust_at(self.config.epsilon)),
            attacks=tuple(self.attacks),
            curve=tuple(points),
            checks=tuple(self._checks()),
            rows=rows,
            fragile=tuple(self.fragile),
        )

    def _attack_all(self, epsilon: float) -> None:
        """Attacks at one epsilon what still stands; at the verdict's, all that was correct.

        An adversarial example within a smaller epsilon is one within this, too, so the curve needs
        no row twice. At the verdict's epsilon every attack gets every row, because its own accuracy
        and the comparison of attacks need them all.
        """
        decisive = epsilon == self.config.epsilon
        for name in self.names:
            rows = np.flatnonzero(self.correct if decisive else np.isinf(self.smallest))
            planned = make_attack(name, self.config, epsilon)
            start = time.monotonic()
            fooled = self._attack(name, planned, rows)
            seconds = time.monotonic() - start
            if decisive:
                self.fooled_by[name] = fooled
                left = self._share(self.correct & ~fooled)
                self.attacks.append(AttackScore(name.value, planned.settings, left, seconds))
            _LOG.info(
                "epsilon %g, %s: %d of %d misled in %.1f s",
                epsilon, name.value, fooled.sum(), len(rows), seconds,
            )  # fmt: skip

    def _attack(
        self, name: AttackName, planned: PlannedAttack, rows: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Attacks rows and notes what fell for the first time; returns `[examples]`: misled."""
        epsilon = planned.attack.epsilon
        fooled = np.zeros(len(self.examples), bool)
        if not len(rows):
            return fooled
        # The same draws at every epsilon: a curve is smoother so.
        seed = (self.config.seed, list(AttackName).index(name))
        found = self.runner.attack(planned, rows, seed)
        fooled[rows] = found.fooled
        self.attacked += len(rows)
        self.invalid[name.value] = self.invalid.get(name.value, 0) + int(found.invalid.sum())
        new = np.flatnonzero(found.fooled & np.isinf(self.smallest[rows]))
        most_fragile = new[np.argsort(self.margin[rows[new]])][:MAX_FRAGILE]
        self._keep_fragile(
            [
                Fragile(
                    example_id=self.examples.ids[row],
                    row=int(row),
                    label=int(self.examples.labels[row]),
                    prediction=int(found.predictions[i]),
                    epsilon=epsilon,
                    attack=name.value,
                    original={k: self.examples.features[k][row] for k in found.adversarial},
                    adversarial={k: v[i] for k, v in found.adversarial.items()},
                )
                for i, row in zip(most_fragile, rows[most_fragile], strict=True)
            ]
        )
        self.smallest[rows[new]] = epsilon
        return fooled

    def _keep_fragile(self, new: list[Fragile]) -> None:
        kept = sorted([*self.fragile, *new], key=lambda f: (f.epsilon, self.margin[f.row]))
        self.fragile = kept[:MAX_FRAGILE]

    def _checks(self) -> list[checks.Check]:
        # By their numbers, as the report lists them.
        return [
            checks.check_finite(self.logits),
            self._check_repeatable(),
            checks.check_logits(self.logits),
            checks.check_gradients(self.health, self.correct),
            *self._attack_checks(),
            checks.check_valid(self.invalid, self.attacked),
        ]

    def _attack_checks(self) -> list[checks.Check]:
        gradient = [self.fooled_by[name] for name in self.names if name not in GRADIENT_FREE]
        if not gradient:
            return [
                checks.Check(
                    "gradient attacks",
                    False,
                    "No attack used the model's gradients, so its robustness is not known; add "
                    "fgsm or pgd to the attacks, and export a model that has gradients.",
                )
            ]
        found = []
        by_name = self.fooled_by
        correct = self.correct
        if AttackName.FGSM in by_name and AttackName.PGD in by_name:
            found.append(
                checks.check_many_steps(
                    by_name[AttackName.FGSM][correct], by_name[AttackName.PGD][correct]
                )
            )
        union = np.any(gradient, axis=0)
        if AttackName.NOISE in by_name:
            found.append(checks.check_noise(by_name[AttackName.NOISE][correct], union[correct]))
        if AttackName.SQUARE in by_name:
            found.append(
                checks.check_black_box(by_name[AttackName.SQUARE][correct], union[correct])
            )
        found.append(self._check_full_range())
        return found

    def _check_repeatable(self) -> checks.Check:
        some = np.arange(min(len(self.examples), self.config.batch_size))
        return checks.check_repeatable(self.logits[some], self.runner.logits(some))

    def _check_full_range(self) -> checks.Check:
        rows = np.flatnonzero(self.correct)
        if len(rows) > MAX_FULL_RANGE_EXAMPLES:
            # Evenly spaced: files are often sorted by class.
            spaced = np.linspace(0, len(rows) - 1, MAX_FULL_RANGE_EXAMPLES)
            rows = rows[spaced.astype(int)]
        if not len(rows):
            return checks.check_full_range(np.zeros(0, bool), self.classes)
        low, high = self._range()
        if not low < high:
            return checks.Check(
                "C10 unbounded attack",
                None,
                "All features have one value; set clip_value_min and clip_value_max.",
            )
        planned = make_full_range_attack(self.config, low, high)
        found = self.runner.attack(planned, rows, (self.config.seed, 1000))
        return checks.check_full_range(~found.fooled, self.classes)

    def _range(self) -> tuple[float, float]:
        """The box of valid values; where the config leaves it open, that of the examples."""
        values = [self.examples.features[name] for name in self.config.features]
        low, high = self.config.clip_value_min, self.config.clip_value_max
        low = min(float(value.min()) for value in values) if low is None else low
        high = max(float(value.max()) for value in values) if high is None else high
        return low, high

    def _gradient_health(self, rows: NDArray[np.int64]) -> dict[str, GradientHealth] | str:
        try:
            return self.runner.gradient_health(rows)
        except (TypeError, LookupError) as error:
            return " ".join(str(error).split())[:200]

    def _has_gradients(self) -> bool:
        if isinstance(self.health, str):
            return False
        return not all(found.missing for found in self.health.values())

    def _share(self, holds: NDArray[np.bool_]) -> Proportion:
        return Proportion.of(holds, self.config.confidence)


def _margin(logits: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[Any]:
    """The label's logit less the largest other one: how far an example is from being misled."""
    rows = np.arange(len(labels))
    others = logits.astype(np.float64).copy()
    others[rows, labels] = -np.inf
    return logits[rows, labels] - others.max(axis=1)


def _check_labels(labels: NDArray[np.int64], classes: int) -> None:
    if classes < 2:
        raise UnusableModelError(
            "The model gives one logit an example, not one a class; give it a second, constant 0."
        )
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        raise ValueError(
            f"Expected labels from 0 to {classes - 1}, as the model has {classes} logits. "
            f"Received: {int(labels[outside][0])} and {int(outside.sum()) - 1} more outside; is "
            "label_feature the class number that the model was trained on?"
        )


def _check_box(examples: Examples, config: RobustnessConfig) -> None:
    for name in config.features:
        values = examples.features[name]
        if not np.isfinite(values).all():
            raise ValueError(
                f"Expected finite values of feature {name!r}. Received: NaN or infinity; fill or "
                "filter them as training does."
            )
        low, high = float(values.min()), float(values.max())
        below = config.clip_value_min is not None and low < config.clip_value_min
        above = config.clip_value_max is not None and high > config.clip_value_max
        if below or above:
            raise ValueError(
                f"Expected feature {name!r} between clip_value_min={config.clip_value_min} and "
                f"clip_value_max={config.clip_value_max}. Received values from {low:g} to "
                f"{high:g}; the bounds are in the units of the model's input, after any scaling."
            )
