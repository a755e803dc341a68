"""What one model does with some examples: as they are, under attack, and corrupted."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import AttackName, RobustnessConfig
from nsl_tfx.robustness.attacking.planted import NOT_MADE
from nsl_tfx.robustness.attacking.probes import (
    FULL_RANGE,
    MORE_STEPS,
    PLANTED,
    Probes,
    main_attack,
)
from nsl_tfx.robustness.attacking.radii import Nearest, certify_examples, search_nearest
from nsl_tfx.robustness.attacking.reference import Reference
from nsl_tfx.robustness.attacking.runner import (
    Attacked,
    GradientHealth,
    Runner,
    is_right,
    widen,
)
from nsl_tfx.robustness.attacking.suite import CHEAP, GRADIENT_FREE, make_attack
from nsl_tfx.robustness.attacking.threat import Arrays, Threat
from nsl_tfx.robustness.data import Examples
from nsl_tfx.robustness.faults.effects import Faults
from nsl_tfx.robustness.models.model import ModelUnderTest, UnusableModelError
from nsl_tfx.robustness.outcomes import Flags, Outcomes
from nsl_tfx.robustness.result import Fragile

MAX_FRAGILE = 8

# Softmax in float32 sums to 1 within 1e-6, in half precision within a spacing or two; logits of a
# whole data set never do by chance.
MAX_SUM_ERROR = 1e-4

# What takes how long, roughly: the attacks at the verdict's epsilon, those at the others, and the
# tests of the attacks.
_VERDICT, _CURVE, _PROBES = 0.4, 0.35, 0.25

# Fewer rows in a call hardly take less time.
_FEW = 32
_PARTS_OF_BUDGET = 8

_LOG = logging.getLogger(__name__)

OnStep = Callable[[float, str], None]
"""Is told of so much more work done, as a share of all that an example takes, and what comes."""


def rows_in_call(total: int, config: RobustnessConfig) -> int:
    """Returns how many of so many examples a call of the model takes.

    Under a budget at most an eighth of them, or it could not end anywhere but at the end.
    """
    size = min(config.batch_size, total)
    return min(size, max(total // _PARTS_OF_BUDGET, _FEW)) if config.has_budget else size


class UnknownClassError(UnusableModelError):
    """Labels that are no classes of a model."""


class Measurement:
    """One model's measurement, part by part.

    Args:
        model: The model.
        config: What to measure.
        reference: What all parts share.
    """

    def __init__(
        self, model: ModelUnderTest, config: RobustnessConfig, reference: Reference
    ) -> None:
        self._model, self._config, self._reference = model, config, reference
        self._threat = Threat.of(config)
        size = rows_in_call(reference.total, config)
        self._runner = Runner(model, self._threat, size)
        # What is told few examples, and by attack, not by how few: so that what is found does not
        # depend on the parts either.
        self._few = Runner(model, self._threat, max(size // 4, min(size, _FEW)))
        self._probes = Probes(self._few, config, (reference.low, reference.high))
        self._faults = Faults(self._runner, config, reference, list(model.inputs))
        self._planned = {name: make_attack(name, config) for name in config.attack_names}

    def measure(
        self,
        examples: Examples,
        rows: NDArray[np.int64],
        on_step: OnStep = lambda share, what: None,
    ) -> Outcomes:
        """Measures a part.

        Args:
            examples: At least one.
            rows: Their numbers among all examples, `[examples]`.
            on_step: Is told of what is done.

        Raises:
            UnusableModelError: The model gives one logit only.
            UnknownClassError: A label is no class of the model.
        """
        outputs = self._runner.outputs(examples)
        logits = widen(outputs)
        _check_labels(examples.labels, logits.shape[1])
        state = _Progress(examples, rows, logits)
        health = self._gradient_health(examples)
        self._attack_all(state, health, on_step)
        self._search_nearest(state, health, on_step)
        on_step(0.0, "faults of the input")
        neighbors = self._faults.change_neighbors(examples, logits.argmax(axis=1))
        return Outcomes(
            row=rows,
            classes=np.full(len(examples), logits.shape[1]),
            label=examples.labels,
            prediction=logits.argmax(axis=1),
            correct=state.correct,
            finite=np.isfinite(logits).all(axis=1),
            margin=state.margin,
            repeat_difference=_largest_difference(logits, self._runner.logits(examples)),
            largest_logit=_largest(logits),
            is_distribution=_is_distribution(outputs),
            **_health_columns(health, len(examples)),
            attacked=_by_value(state.attacked),
            fooled=_by_value(state.fooled),
            invalid=_by_value(state.invalid),
            lost=_by_value(state.lost),
            idle=_by_value(state.idle),
            smallest_epsilon=state.smallest,
            withstood=state.withstood,
            probes=self._probe(examples, state, health, on_step),
            corrupted=self._faults.corrupt(examples),
            edited=self._faults.edit(examples, state.correct),
            neighbors_correct=neighbors[0],
            neighbors_changed=neighbors[1],
            certified_radius=self._certify(examples, on_step),
            fragile=state.most_fragile(),
            seconds={name.value: seconds for name, seconds in state.seconds.items()},
        )

    def _gradient_health(self, examples: Examples) -> dict[str, GradientHealth] | str:
        try:
            return self._runner.gradient_health(examples)
        except (TypeError, LookupError) as error:
            return " ".join(str(error).split())[:200]

    def _attack_all(
        self, state: _Progress, health: dict[str, GradientHealth] | str, on_step: OnStep
    ) -> None:
        """Attacks at every epsilon, the largest first.

        What withstands a ball withstands all smaller ones, so that the curve needs few examples
        twice. At the verdict's epsilon each is attacked whatever was found before: what falls there
        and withstood a larger one tells of attacks that lose their way.
        """
        usable = [n for n in self._planned if _has_gradients(health) or n in GRADIENT_FREE]
        # Gradients first: their adversarial examples are the ones worth showing, and a search that
        # needs none takes the most calls.
        names = sorted(usable, key=lambda name: (name not in CHEAP, name in GRADIENT_FREE))
        shares = self._shares(names)
        for epsilon in sorted(self._config.epsilons, reverse=True):
            decisive = epsilon == self._config.epsilon
            target = state.correct if decisive else state.correct & ~state.settled
            misled = np.zeros(len(target), bool)
            for name in names:
                on_step(0.0, f"{name.value} at epsilon {epsilon:g}")
                told = target if decisive and name in CHEAP else target & ~misled
                misled |= self._attack(state, name, epsilon, told, decisive)
                on_step(shares[name] * (1.0 if decisive else self._curve_share()), "")
            state.settle(epsilon, target, misled, larger=epsilon > self._config.epsilon)

    def _search_nearest(
        self, state: _Progress, health: dict[str, GradientHealth] | str, on_step: OnStep
    ) -> None:
        """Looks for points nearer than those at the measured epsilons, where that is asked for."""
        name = main_attack(self._config)
        if not self._config.bisections or name is None or not _has_gradients(health):
            return
        on_step(0.0, "smallest epsilons")
        if state.correct.any():
            planned = self._planned[name]
            told = state.examples.take(state.correct)
            found = search_nearest(self._few, planned, told, self._config)
            state.note_nearest(name, found)

    def _certify(self, examples: Examples, on_step: OnStep) -> NDArray[np.float64]:
        if self._config.smoothing is None:
            return np.full(len(examples), math.nan)
        on_step(0.0, "certificates")
        return certify_examples(self._runner, examples, self._config, self._config.smoothing)

    def _shares(self, names: list[AttackName]) -> dict[AttackName, float]:
        """Returns each attack's share of the work of an example, at the verdict's epsilon."""
        costs = {name: self._planned[name].queries(10) for name in names}
        total = sum(costs.values())
        return {name: _VERDICT * cost / total for name, cost in costs.items()}

    def _curve_share(self) -> float:
        return _CURVE / _VERDICT / (len(self._config.epsilons) - 1)

    def _attack(
        self,
        state: _Progress,
        name: AttackName,
        epsilon: float,
        told: Flags,
        decisive: bool,
    ) -> Flags:
        """Attacks the told examples and notes what came of it; returns `[examples]`: misled."""
        start = time.monotonic()
        planned = self._planned[name]
        misled = np.zeros(len(told), bool)
        state.expect(name)
        if told.any():
            # The same draws at every epsilon: a curve is smoother so.
            seed = (self._config.seed, list(AttackName).index(name))
            runner = self._runner if name in CHEAP else self._few
            found = runner.attack(planned, state.examples.take(told), epsilon, seed)
            misled[told] = found.fooled
            state.note(name, told, found, epsilon)
        if decisive:
            state.seconds[name] = time.monotonic() - start
            state.attacked[name] = told
            state.fooled[name] = misled
        _LOG.info(
            "epsilon %g, %s: %d of %d misled in %.1f s",
            epsilon, name.value, misled.sum(), told.sum(), time.monotonic() - start,
        )  # fmt: skip
        return misled

    def _probe(
        self,
        examples: Examples,
        state: _Progress,
        health: dict[str, GradientHealth] | str,
        on_step: OnStep,
    ) -> dict[str, NDArray[np.int8]]:
        found = {
            name: np.full(len(examples), NOT_MADE, np.int8)
            for name in (FULL_RANGE, MORE_STEPS, PLANTED)
        }
        chosen = np.isin(state.rows, self._reference.probed) & state.correct
        if not _has_gradients(health) or set(self._planned) <= GRADIENT_FREE:
            return found
        standing = chosen & (state.smallest > self._config.epsilon)
        probes = [
            (PLANTED, chosen, self._probes.planted),
            (MORE_STEPS, standing, self._probes.more_steps),
        ]
        every_input = set(self._model.inputs) <= set(self._config.features)
        if every_input and self._threat.moves_everything and self._reference.has_range:
            probes.append((FULL_RANGE, chosen, self._probes.full_range))
        # What fell before needs no more steps.
        found[MORE_STEPS][chosen] = 0
        for name, told, probe in probes:
            on_step(0.0, f"probe: {name.replace('_', ' ')}")
            if told.any():
                found[name][told] = probe(examples.take(told))
            on_step(_PROBES / len(probes), "")
        return found


@dataclasses.dataclass
class _Progress:
    """What is known so far about the examples of a part; every array is `[examples]`."""

    examples: Examples
    rows: NDArray[np.int64]
    logits: NDArray[Any]

    def __post_init__(self) -> None:
        count, labels = len(self.rows), self.examples.labels
        self.correct = is_right(self.logits, labels)
        self.margin = _margin(self.logits, labels)
        # 0 for what is wrong to begin with; infinity until an attack succeeds.
        self.smallest = np.where(self.correct, math.inf, 0.0)
        self.settled = np.zeros(count, bool)
        self.withstood = np.zeros(count)
        self.attacked: dict[AttackName, Flags] = {}
        self.fooled: dict[AttackName, Flags] = {}
        self.invalid: dict[AttackName, Flags] = {}
        self.lost: dict[AttackName, Flags] = {}
        self.idle: dict[AttackName, Flags] = {}
        self.seconds: dict[AttackName, float] = {}
        self.fragile: list[Fragile] = []

    def expect(self, name: AttackName) -> None:
        """Makes room for what an attack will do, which may be told nothing at all."""
        for kept in (self.invalid, self.lost, self.idle):
            kept.setdefault(name, np.zeros(len(self.rows), bool))

    def note(
        self,
        name: AttackName,
        told: Flags,
        found: Attacked,
        epsilon: float,
    ) -> None:
        """Takes down what an attack did to the told examples."""
        places = np.flatnonzero(told)
        still = [
            (value.reshape(len(value), -1) == before.reshape(len(value), -1)).all(axis=1)
            for key, value in found.adversarial.items()
            for before in [self.examples.features[key][places]]
        ]
        for kept, values in (
            (self.invalid, found.invalid),
            (self.lost, found.lost),
            (self.idle, ~found.fooled & np.all(still, axis=0)),
        ):
            kept[name][places] |= values
        self._keep_fragile(name, places, found, epsilon)

    def note_nearest(self, name: AttackName, found: Nearest) -> None:
        """Takes down the nearest points of the correct examples, where they are news."""
        places = np.flatnonzero(self.correct)
        nearer = found.epsilon < self.smallest[places]
        self.smallest[places[nearer]] = found.epsilon[nearer]
        order = np.argsort(np.where(nearer, found.epsilon, math.inf), kind="stable")
        first = [i for i in order[:MAX_FRAGILE] if nearer[i]]
        self.fragile += [
            self._fragile(name, places[i], found.epsilon[i], found.logits[i], found.adversarial, i)
            for i in first
        ]

    def settle(self, epsilon: float, target: Flags, misled: Flags, larger: bool) -> None:
        """Takes down what all attacks of one epsilon together did to what they were told."""
        self.smallest[misled] = epsilon
        self.settled[target] = ~misled[target]
        if larger:
            survived = target & ~misled
            self.withstood[survived] = np.maximum(self.withstood[survived], epsilon)

    def most_fragile(self) -> tuple[Fragile, ...]:
        """Returns those which the smallest epsilons mislead, the least sure first."""
        place = {int(row): i for i, row in enumerate(self.rows)}
        current = [f for f in self.fragile if f.epsilon == self.smallest[place[f.row]]]
        unique = {f.row: f for f in reversed(current)}
        return tuple(sorted(unique.values(), key=lambda f: (f.epsilon, f.margin))[:MAX_FRAGILE])

    def _keep_fragile(
        self, name: AttackName, places: NDArray[np.int64], found: Attacked, epsilon: float
    ) -> None:
        fallen = np.flatnonzero(found.fooled)
        least_sure = fallen[np.argsort(self.margin[places[fallen]], kind="stable")][:MAX_FRAGILE]
        self.fragile += [
            self._fragile(name, places[i], epsilon, found.logits[i], found.adversarial, i)
            for i in least_sure
        ]

    def _fragile(
        self,
        name: AttackName,
        place: int,
        epsilon: float,
        logits: NDArray[Any],
        adversarial: Arrays,
        i: int,
    ) -> Fragile:
        return Fragile(
            example_id=self.examples.ids[place],
            row=int(self.rows[place]),
            label=int(self.examples.labels[place]),
            prediction=int(logits.argmax()),
            epsilon=float(epsilon),
            attack=name.value,
            # A view would keep the whole part in memory as long as the result is.
            original={k: self.examples.features[k][place].copy() for k in adversarial},
            adversarial={k: v[i].copy() for k, v in adversarial.items()},
            margin=float(self.margin[place]),
        )


def _has_gradients(health: dict[str, GradientHealth] | str) -> bool:
    if isinstance(health, str):
        return False
    return not all(found.missing for found in health.values())


def _health_columns(health: dict[str, GradientHealth] | str, count: int) -> dict[str, Any]:
    if isinstance(health, str):
        return {
            "gradient_zero": {},
            "gradient_broken": {},
            "gradient_missing": (),
            "gradient_error": health,
        }
    return {
        "gradient_zero": {name: found.zero for name, found in health.items()},
        "gradient_broken": {name: found.broken for name, found in health.items()},
        "gradient_missing": tuple(name for name, found in health.items() if found.missing),
        "gradient_error": "",
    }


def _by_value(found: dict[AttackName, Flags]) -> dict[str, Flags]:
    return {name.value: flags for name, flags in found.items()}


def _largest_difference(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    both = np.isfinite(first) & np.isfinite(second)
    difference = np.abs(np.where(both, first, 0) - np.where(both, second, 0))
    return np.asarray(difference.max(axis=1).astype(np.float64))


def _largest(logits: NDArray[Any]) -> NDArray[np.float64]:
    magnitudes = np.abs(np.where(np.isfinite(logits), logits, 0))
    return np.asarray(magnitudes.max(axis=1).astype(np.float64))


def _is_distribution(outputs: NDArray[Any]) -> Flags:
    values = outputs.astype(np.float64)
    # Each class is rounded by itself, and so may be the sum that they are divided by.
    spacing = float(np.spacing(np.ones((), outputs.dtype)))
    error = max(MAX_SUM_ERROR, spacing * (2 + math.sqrt(values.shape[1])))
    inside = (values >= -error).all(axis=1) & (values <= 1 + error).all(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(inside & (np.abs(values.sum(axis=1) - 1) <= error))


def _margin(logits: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The label's logit less the largest other one: how far an example is from being misled."""
    rows = np.arange(len(labels))
    others = logits.astype(np.float64)
    others[rows, labels] = -np.inf
    with np.errstate(invalid="ignore"):
        return np.asarray(logits[rows, labels].astype(np.float64) - others.max(axis=1))


def _check_labels(labels: NDArray[np.int64], classes: int) -> None:
    if classes < 2:
        raise UnusableModelError(
            "The model gives one logit an example, not one a class; give it a second, constant 0."
        )
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        raise UnknownClassError(
            f"Expected labels from 0 to {classes - 1}, as the model has {classes} logits. "
            f"Received: {int(labels[outside][0])} and {int(outside.sum()) - 1} more outside; is "
            "label_feature the class number that the model was trained on?"
        )
