"""Results of evaluations that nobody made: whole and consistent, at no cost."""

from __future__ import annotations

import dataclasses

import numpy as np

from nsl_tfx.configs import RobustnessConfig
from nsl_tfx.robustness import (
    AttackScore,
    Comparison,
    CurvePoint,
    Fragile,
    ModelScores,
    Proportion,
    RobustnessResult,
    Rows,
    Verdict,
    compare_paired,
)
from nsl_tfx.robustness.judging.checks import Check
from nsl_tfx.robustness.judging.slices import score_slices
from nsl_tfx.robustness.result import NeighborScore, Point, SeverityCurve

# Of each attack its settings and its queries; the first three are told every example.
ATTACKS = {
    "noise": ({"draws": 20, "loss": "cross_entropy"}, 20),
    "fgsm": ({"loss": "cross_entropy"}, 2),
    "pgd": ({"steps": 40, "restarts": 5, "step_size": None, "loss": "cross_entropy"}, 246),
    "apgd_ce": ({"steps": 100, "restarts": 0, "loss": "cross_entropy"}, 101),
    "apgd_t": ({"steps": 100, "loss": "targeted_difference_of_logits_ratio", "targets": 9}, 910),
    "square": ({"queries": 5000, "loss": "difference_of_logits"}, 5000),
}
CHEAP = ("noise", "fgsm", "pgd")
CONFIG = RobustnessConfig(
    features=("image",),
    label_feature="label",
    epsilon=0.1,
    clip_value_min=0.0,
    clip_value_max=1.0,
    corruptions=("gaussian_noise", "blur"),
    edits=("missing",),
    slices=("city",),
)


def make_result(config=CONFIG, examples=200, *, columns=None, shape=(8, 8, 1), seed=0, **changes):
    """Returns a result with everything that a config asks for.

    Args:
        columns: `[examples]` by name, to slice by; drawn for the config's slices where None.
        shape: Of each attacked feature.
        changes: Fields of the result to replace; `baseline=True` makes scores for one.
    """
    rng = np.random.default_rng(seed)
    if columns is None:
        columns = {name: rng.choice(list("abc"), examples) for name in config.slices}
    labels = rng.integers(0, 10, examples)
    model = make_scores(config, labels, columns, shape, rng)
    if changes.get("baseline") is True:
        changes["baseline"] = other = make_scores(config, labels, columns, shape, rng)
        changes["comparison"] = Comparison(
            compare_paired(model.rows.correct, other.rows.correct),
            compare_paired(*(m.rows.robust_at(config.epsilon) for m in (model, other))),
        )
    found = RobustnessResult(
        verdict=Verdict.PASS,
        reasons=("Clean accuracy 90.0 %, and every threshold is reached.",),
        config=config,
        labels=labels,
        ids=tuple(f"id{i}" for i in range(examples)),
        examples_seen=examples,
        data_fingerprint="0123456789abcdef",
        model=model,
    )
    return dataclasses.replace(found, **changes)


def make_scores(config, labels, columns, shape, rng):
    examples = len(labels)
    correct = rng.random(examples) < 0.9
    reach = np.where(correct, rng.exponential(1.5 * config.epsilon, examples), 0)
    ladder = np.array([0, *config.epsilons, np.inf])
    smallest = ladder[np.searchsorted(ladder, reach)]
    rows = Rows(np.where(correct, labels, labels + 1), correct, {}, {}, smallest)
    robust = rows.robust_at(config.epsilon)

    def share(holds):
        return Proportion.of(holds, config.confidence)

    def lose(accuracy, severities):
        return tuple(
            Point(k, share(correct & (rng.random(examples) < accuracy**k))) for k in severities
        )

    attacks, left = [], correct
    for name, (settings, queries) in ATTACKS.items():
        told = correct if name in CHEAP else left
        # What is not robust falls to the last one at the latest.
        misled = told & ~robust & ((rng.random(examples) < 0.7) | (name == "square"))
        left = left & ~misled
        rows.attacked_by[name], rows.fooled_by[name] = told, misled
        counts = queries, int(told.sum()), int(misled.sum())
        attacks.append(AttackScore(name, settings, *counts, share(left), 1.25))
    return ModelScores(
        classes=10,
        accuracy=share(correct),
        robust_accuracy=share(robust),
        attacks=tuple(attacks),
        curve=(
            CurvePoint(0.0, share(correct)),
            *(CurvePoint(e, share(rows.robust_at(e))) for e in config.epsilons),
        ),
        checks=(
            Check("C1 repeatable outputs", True, "Asked twice, logits differ by 0 at most."),
            Check("C3 gradients", False, "Gradients are zero for 9.0 % of 200 examples."),
            Check("C8 convergence", None, "No example is classified right."),
        ),
        rows=rows,
        fragile=tuple(make_fragile(config, row, shape, rng) for row in range(3)),
        slices=score_slices(columns, correct, robust, config.confidence),
        corruptions=tuple(
            SeverityCurve(name.value, lose(0.95, config.severities)) for name in config.corruptions
        ),
        edits=tuple(
            SeverityCurve(name.value, lose(0.9, range(1, config.max_edits + 1)))
            for name in config.edits
        ),
        neighbors=(
            NeighborScore("drop_one", share(correct), share(rng.random(examples) < 0.02)),
            NeighborScore("rewire", share(robust), share(rng.random(examples) < 0.3)),
        ),
    )


def make_fragile(config, row, shape, rng):
    original = {name: rng.uniform(0, 1, shape) for name in config.features}
    twin = {k: v + config.epsilon * rng.choice([-1, 1], v.shape) for k, v in original.items()}
    return Fragile(f"id{row}", row, 3, 5, config.epsilons[0], "pgd", original, twin, 0.5)
