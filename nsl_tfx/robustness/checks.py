"""Whether a measurement of robustness can be trusted.

A broken attack looks like a robust model. These checks look for its traces, with tolerances that
models without a defect stay within. The numbers C1, C2, ... are those of the protocol that joins
Carlini et al. 2019, "On evaluating adversarial robustness", Athalye et al. 2018, "Obfuscated
gradients give a false sense of security", and Pintor et al. 2022, "Indicators of attack failure".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nsl_tfx.robustness.formatting import percent
from nsl_tfx.robustness.paired import compare_paired
from nsl_tfx.robustness.runner import GradientHealth
from nsl_tfx.statistics import wilson_interval

# Two runs of the same graph differ by the order in which threads add up, far below this.
MAX_LOGIT_DIFFERENCE = 1e-4
# Softmax in float32 sums to 1 within 1e-6; logits of a whole data set never do by chance.
MAX_SUM_ERROR = 1e-4
# Honest networks show none; a few examples may sit where all units of a layer are off.
MAX_DEAD_GRADIENT_SHARE = 0.05
# Honest models show up to 1 point by chance of the starts; broken gradients show tens.
MIN_NOISE_EXCESS = 0.01
# On honest models one step was seen to break up to 1.6 points that many steps miss.
MIN_STEP_EXCESS = 0.02
# On an honest network, against cross-entropy and ratio together, 1.8 points were seen.
MIN_BLACK_BOX_EXCESS = 0.03
SIGNIFICANCE = 0.05


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


def check_finite(logits: NDArray[Any]) -> Check:
    """Checks that the model's outputs on unchanged examples are numbers."""
    bad = int(np.sum(~np.isfinite(logits).all(axis=1)))
    return _check(
        "finite outputs",
        bad == 0,
        f"All logits of {len(logits)} unchanged examples are finite.",
        f"The logits of {bad} of {len(logits)} unchanged examples are not finite; look for "
        "overflow, division by zero or missing values in the model's inputs.",
    )


def check_repeatable(first: NDArray[Any], second: NDArray[Any]) -> Check:
    """C1: the same input gives the same output."""
    both = np.isfinite(first) & np.isfinite(second)
    largest = float(np.max(np.abs(first - second), where=both, initial=0.0))
    return _check(
        "C1 repeatable outputs",
        largest <= MAX_LOGIT_DIFFERENCE,
        f"Asked twice, logits differ by {largest:.1e} at most.",
        f"Asked twice, logits differ by up to {largest:.3g}: a random layer is active, and attacks "
        "average over less noise than it makes; export the model in inference mode.",
    )


def check_logits(logits: NDArray[Any]) -> Check:
    """C2: the outputs are logits and not probabilities, whose gradients vanish."""
    finite = logits[np.isfinite(logits).all(axis=1)]
    inside = (finite >= -MAX_SUM_ERROR).all(axis=1) & (finite <= 1 + MAX_SUM_ERROR).all(axis=1)
    sums = np.abs(finite.sum(axis=1) - 1) <= MAX_SUM_ERROR
    return _check(
        "C2 logits",
        not len(finite) or not bool((inside & sums).all()),
        "The outputs are not probabilities.",
        "The outputs lie in [0, 1] and sum to 1: they are probabilities, not logits, and their "
        "gradients vanish where the model is sure; export the last layer's values from before the "
        "softmax.",
    )


def check_gradients(
    health: Mapping[str, GradientHealth] | str, correct: NDArray[np.bool_]
) -> Check:
    """C3: gradients exist, are not all zero, and are finite.

    Args:
        health: By feature, each over all examples; or why no gradient could be taken.
        correct: `[examples]` bool, the examples that attacks have to mislead.
    """
    name = "C3 gradients"
    if isinstance(health, str):
        return Check(
            name,
            False,
            f"The export lost the model's gradients ({health}); export it with custom gradients "
            "(the default of tf.saved_model.save and keras.export.ExportArchive).",
        )
    count = int(correct.sum())
    if not count:
        return Check(name, None, "No example is classified right, so nothing is left to attack.")
    missing = [feature for feature, found in health.items() if found.missing]
    if missing:
        return Check(
            name,
            False,
            f"No gradient reaches {_quoted(missing)}: rounding, casting to integers, a lookup or "
            "an argmax lies between them and the logits; export the differentiable part of the "
            "model, or leave the feature out of the attack.",
        )
    dead = [feature for feature, found in health.items() if found.zero.all()]
    if dead and len(dead) < len(health):
        return Check(
            name,
            False,
            f"The gradient by {_quoted(dead)} is zero for every example: the model does not use "
            "the feature, or a bucketing hides it; leave it out of the attack, or export what "
            "comes after the bucketing.",
        )
    zero = np.all([found.zero for found in health.values()], axis=0) & correct
    broken = np.any([found.broken for found in health.values()], axis=0) & correct
    zero_share, broken_share = zero.sum() / count, broken.sum() / count
    if broken_share > MAX_DEAD_GRADIENT_SHARE:
        return Check(
            name,
            False,
            f"Gradients are not finite for {percent(broken_share)} of {count} examples; look for "
            "overflow or a division by zero inside the model.",
        )
    return _check(
        name,
        bool(zero_share <= MAX_DEAD_GRADIENT_SHARE),
        f"Gradients are zero for {percent(zero_share)} and not finite for "
        f"{percent(broken_share)} of {count} examples.",
        f"Gradients are zero for {percent(zero_share)} of {count} examples: the model's outputs "
        "are saturated; export logits, unscaled and from before any softmax.",
    )


def check_many_steps(one_step: NDArray[np.bool_], many_steps: NDArray[np.bool_]) -> Check:
    """C5: many small steps mislead at least as often as one large one.

    Args:
        one_step: `[examples]` bool, misled by FGSM.
        many_steps: `[examples]` bool, misled by PGD.
    """
    excess = compare_paired(one_step, many_steps)
    seen = _seen(excess.only_first, "one step", excess.only_second, "many", excess.total)
    return _check(
        "C5 many steps beat one",
        not (excess.difference >= MIN_STEP_EXCESS and excess.p_value <= SIGNIFICANCE),
        seen,
        f"{seen} The iterative attack fails where a single step succeeds: its step size does not "
        "fit, or the gradients mislead it; try other steps or step_size.",
    )


def check_noise(noise: NDArray[np.bool_], gradient: NDArray[np.bool_]) -> Check:
    """C6: random noise misleads less often than attacks that know the gradient.

    Args:
        noise: `[examples]` bool, misled by noise.
        gradient: `[examples]` bool, misled by any gradient attack.
    """
    excess = compare_paired(noise, gradient)
    seen = _seen(excess.only_first, "noise", excess.only_second, "gradients", excess.total)
    return _check(
        "C6 gradients beat noise",
        not _surely_beyond(excess.only_first, excess.total, MIN_NOISE_EXCESS),
        seen,
        f"{seen} Random noise misleads the model where gradient attacks fail: the gradients do not "
        "lead to the model's mistakes (masked gradients), and the true robustness is lower than "
        "measured.",
    )


def check_black_box(square: NDArray[np.bool_], gradient: NDArray[np.bool_]) -> Check:
    """C7: a search without gradients misleads less often than attacks that know them.

    Args:
        square: `[examples]` bool, misled by the square attack.
        gradient: `[examples]` bool, misled by any gradient attack.
    """
    excess = compare_paired(square, gradient)
    seen = _seen(excess.only_first, "random squares", excess.only_second, "gradients", excess.total)
    return _check(
        "C7 gradients beat random search",
        not _surely_beyond(excess.only_first, excess.total, MIN_BLACK_BOX_EXCESS),
        seen,
        f"{seen} A search that sees no gradient misleads the model where gradient attacks fail: "
        "they are too weak (add apgd_t), or the gradients do not lead to the model's mistakes.",
    )


def _surely_beyond(count: int, total: int, tolerated: float) -> bool:
    """Returns whether examples that gradients miss are more than a tolerated share for certain.

    Even one says that the attacks missed something, but every sampler is lucky at times.
    """
    low, _ = wilson_interval(count, max(total, 1), 0.95)
    return bool(low > tolerated)


def check_full_range(survived: NDArray[np.bool_], classes: int) -> Check:
    """C10: an attack that may change everything leaves no more than guessing.

    Args:
        survived: `[attacked examples]` bool, still right when every feature may take any value.
        classes: Number of classes.
    """
    count, total = int(survived.sum()), len(survived)
    if not total:
        return Check("C10 unbounded attack", None, "No example is classified right.")
    low, _ = wilson_interval(count, total, 0.95)
    seen = f"{count} of {total} examples stay right when the attacker may use the whole range."
    return _check(
        "C10 unbounded attack",
        float(low) <= 1 / classes,
        seen,
        f"{seen} That is more than guessing among {classes} classes ({percent(1 / classes)}), "
        "although any input could be replaced by another: the attack does not work on this model.",
    )


def check_valid(invalid: Mapping[str, int], total: int) -> Check:
    """C12: adversarial examples lie in the ball and the box, and are finite.

    Args:
        invalid: By attack, how many examples came back invalid.
        total: How many were attacked.
    """
    bad = {name: count for name, count in invalid.items() if count}
    if not total:
        return Check("C12 valid adversarial examples", None, "No example was attacked.")
    return _check(
        "C12 valid adversarial examples",
        not bad,
        "Every adversarial example lies in the ball and the box, and was scored anew.",
        f"Invalid adversarial examples (outside the ball or the box, or not finite): "
        f"{', '.join(f'{count} of {total} by {name}' for name, count in bad.items())}; they were "
        "not counted as misled.",
    )


def _check(name: str, passed: bool, good: str, bad: str) -> Check:
    return Check(name, bool(passed), good if passed else bad)


def _seen(first: int, first_name: str, second: int, second_name: str, total: int) -> str:
    return (
        f"Of {total} examples, {first} fall only to {first_name} and {second} only to "
        f"{second_name}."
    )


def _quoted(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
