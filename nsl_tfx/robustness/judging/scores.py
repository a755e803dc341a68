"""From outcomes to a model's scores, and to the checks of how they were come by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.configs import AttackName, RobustnessConfig
from nsl_tfx.robustness.attacking.planted import NOT_MADE
from nsl_tfx.robustness.attacking.probes import (
    FULL_RANGE,
    MORE_STEPS,
    PLANTED,
    main_attack,
)
from nsl_tfx.robustness.attacking.smoothing import largest_radius
from nsl_tfx.robustness.attacking.suite import GRADIENT_FREE, make_attack
from nsl_tfx.robustness.judging import checks
from nsl_tfx.robustness.judging.slices import score_slices
from nsl_tfx.robustness.measuring.measure import MAX_FRAGILE
from nsl_tfx.robustness.outcomes import Flags, Outcomes
from nsl_tfx.robustness.result import (
    AttackScore,
    CertifiedPoint,
    Check,
    CurvePoint,
    ModelScores,
    NeighborScore,
    Point,
    Proportion,
    Rows,
    SeverityCurve,
)

# Radii at which the certified accuracy is told, in standard deviations of the noise.
_RADII = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)


def score(
    outcomes: Outcomes, config: RobustnessConfig, columns: Mapping[str, NDArray[Any]]
) -> ModelScores:
    """Returns a model's scores.

    Args:
        outcomes: Of all examples.
        config: What was measured.
        columns: The features to slice by, `[examples]` by name.
    """

    def share(holds: Flags) -> Proportion:
        return Proportion.of(holds, config.confidence)

    rows = Rows(
        outcomes.prediction,
        outcomes.correct,
        outcomes.attacked,
        outcomes.fooled,
        outcomes.smallest_epsilon,
    )
    robust = rows.robust_at(config.epsilon)
    curve = [CurvePoint(0.0, share(rows.correct))]
    curve += [CurvePoint(epsilon, share(rows.robust_at(epsilon))) for epsilon in config.epsilons]
    fragile = sorted(outcomes.fragile, key=lambda found: (found.epsilon, found.margin, found.row))
    return ModelScores(
        classes=int(outcomes.classes[0]),
        accuracy=curve[0].accuracy,
        robust_accuracy=share(robust),
        attacks=tuple(_score_attacks(outcomes, config, share)),
        curve=tuple(curve),
        checks=tuple(make_checks(outcomes, config)),
        rows=rows,
        fragile=tuple(fragile[:MAX_FRAGILE]),
        slices=score_slices(columns, rows.correct, robust, config.confidence) if columns else (),
        corruptions=_curves(outcomes.corrupted, share),
        edits=_curves(outcomes.edited, share),
        certified=_certified(outcomes, config, share),
        neighbors=tuple(
            NeighborScore(name, share(right), share(outcomes.neighbors_changed[name]))
            for name, right in outcomes.neighbors_correct.items()
        ),
    )


def _score_attacks(
    outcomes: Outcomes, config: RobustnessConfig, share: Callable[[Flags], Proportion]
) -> list[AttackScore]:
    left = outcomes.correct
    found = []
    for name, attacked in outcomes.attacked.items():
        planned = make_attack(AttackName(name), config)
        left = left & ~outcomes.fooled[name]
        found.append(
            AttackScore(
                name=name,
                settings=planned.settings,
                queries=planned.queries(int(outcomes.classes[0])),
                attacked=int(attacked.sum()),
                fooled=int(outcomes.fooled[name].sum()),
                left=share(left),
                seconds=outcomes.seconds.get(name, 0.0),
            )
        )
    return found


def _curves(
    found: Mapping[str, Flags], share: Callable[[Flags], Proportion]
) -> tuple[SeverityCurve, ...]:
    """Returns a curve for each name of the keys `name/severity`."""
    points: dict[str, list[Point]] = {}
    for key, right in found.items():
        name, severity = key.rsplit("/", 1)
        points.setdefault(name, []).append(Point(int(severity), share(right)))
    return tuple(SeverityCurve(name, tuple(some)) for name, some in points.items())


def _certified(
    outcomes: Outcomes, config: RobustnessConfig, share: Callable[[Flags], Proportion]
) -> tuple[CertifiedPoint, ...]:
    """Returns the certified accuracy over the radius, as far as the number of draws allows."""
    if config.smoothing is None:
        return ()
    largest = largest_radius(config.smoothing)
    radii = [radius for k in _RADII if (radius := k * config.smoothing.sigma) <= largest]
    # Comparisons with NaN are false.
    return tuple(CertifiedPoint(r, share(outcomes.certified_radius >= r)) for r in radii)


def make_checks(outcomes: Outcomes, config: RobustnessConfig) -> list[Check]:
    """Returns the checks, by their numbers."""
    invalid, lost = (
        {name: int(flags.sum()) for name, flags in found.items()}
        for found in (outcomes.invalid, outcomes.lost)
    )
    attacked = int(np.any(list(outcomes.attacked.values()), axis=0).sum())
    gradient = [n for n in outcomes.attacked if AttackName(n) not in GRADIENT_FREE]
    return [
        checks.check_classes(outcomes.label),
        checks.check_finite(outcomes.finite),
        checks.check_repeatable(outcomes.repeat_difference, outcomes.largest_logit),
        checks.check_logits(outcomes.is_distribution[outcomes.finite]),
        checks.check_gradients(outcomes),
        *(_check_attacks(outcomes, config, gradient) if gradient else [_no_gradients(outcomes)]),
        checks.check_returned(lost, attacked),
        checks.check_valid(invalid, attacked),
        *([checks.check_planted(_made(outcomes.probes[PLANTED]))] if gradient else []),
    ]


def _no_gradients(outcomes: Outcomes) -> Check:
    used = ", ".join(outcomes.attacked) or "none"
    return Check(
        "gradient attacks",
        False,
        f"No attack used the model's gradients (made: {used}), so its robustness is not known; add "
        "pgd and apgd_t to the attacks, and export a model that has gradients.",
    )


def _check_attacks(
    outcomes: Outcomes, config: RobustnessConfig, gradient: list[str]
) -> list[Check]:
    correct, by_name = outcomes.correct, outcomes.fooled
    union = np.any([by_name[name] for name in gradient], axis=0)
    found = [
        checks.check_monotone(
            outcomes.withstood > config.epsilon, np.any(list(by_name.values()), axis=0)
        )
    ]
    fgsm, pgd, noise = AttackName.FGSM.value, AttackName.PGD.value, AttackName.NOISE.value
    if fgsm in by_name and pgd in by_name:
        found.append(checks.check_many_steps(by_name[fgsm][correct], by_name[pgd][correct]))
    if noise in by_name:
        found.append(checks.check_noise(by_name[noise][correct], union[correct]))
    searches = [n for n in by_name if AttackName(n) in GRADIENT_FREE and n != noise]
    if searches:
        blind = np.any([by_name[name] for name in searches], axis=0)
        found.append(checks.check_black_box(blind[correct], union[correct]))
    main = main_attack(config)
    if main is not None:
        found.append(checks.check_converged(_made(outcomes.probes[MORE_STEPS])))
        told = np.any([outcomes.attacked[name] for name in gradient], axis=0)
        rose = np.any([outcomes.attacked[n] & ~outcomes.idle[n] for n in gradient], axis=0)
        found.append(checks.check_rise(~rose[told]))
    survived = ~_made(outcomes.probes[FULL_RANGE])
    found.append(checks.check_full_range(survived, int(outcomes.classes[0])))
    return found


def _made(probe: NDArray[np.int8]) -> Flags:
    """Returns whether a probe succeeded, where it was made."""
    return np.asarray(probe[probe != NOT_MADE] == 1)
