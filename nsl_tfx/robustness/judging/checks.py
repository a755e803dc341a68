"""Whether a measurement of robustness can be trusted.

A broken attack looks like a robust model. These checks look for its traces, with tolerances that
models without a defect stay within. The numbers C1, C2, ... are those of the protocol that joins
Carlini et al. 2019, "On evaluating adversarial robustness", Athalye et al. 2018, "Obfuscated
gradients give a false sense of security", and Pintor et al. 2022, "Indicators of attack failure".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from nsl_tfx.robustness.formatting import percent
from nsl_tfx.robustness.outcomes import Flags, Outcomes
from nsl_tfx.robustness.paired import compare_paired
from nsl_tfx.robustness.result import Check
from nsl_tfx.statistics import wilson_interval

# Two runs of the same graph differ by the order in which threads add up, far below this.
MAX_LOGIT_DIFFERENCE = 1e-4
# Honest networks show none; a few examples may sit where all units of a layer are off.
MAX_DEAD_GRADIENT_SHARE = 0.05
# Honest models show up to 1 point by chance of the starts; broken gradients show tens.
MIN_NOISE_EXCESS = 0.01
# On honest models one step was seen to break up to 1.6 points that many steps miss.
MIN_STEP_EXCESS = 0.02
# On an honest network, against cross-entropy and ratio together, 1.8 points were seen.
MIN_BLACK_BOX_EXCESS = 0.03
# What withstood a larger ball and falls in a smaller one: the search of larger balls is coarser.
MAX_LOST_AT_LARGER = 0.02
# Honest models were seen to lose up to 1 point more to twice the steps and starts.
MAX_MORE_STEPS = 0.02
# A rise of the loss is missing where all units of a layer are off, as for gradients.
MAX_IDLE_SHARE = 0.05
# What an attack saw and did not return; other than by rounding at a boundary, there is none.
MAX_SILENT_SHARE = 0.01
# Of planted examples honest models were seen to hide less than 2 %.
MIN_PLANTED_FOUND = 0.9
SIGNIFICANCE = 0.05


def check_finite(finite: Flags) -> Check:
    """Checks that the model's outputs on unchanged examples are numbers."""
    bad = int(np.sum(~finite))
    return _check(
        "finite outputs",
        bad == 0,
        f"All logits of {len(finite)} unchanged examples are finite.",
        f"The logits of {bad} of {len(finite)} unchanged examples are not finite; look for "
        "overflow, division by zero or missing values in the model's inputs.",
    )


def check_classes(labels: NDArray[np.int64]) -> Check:
    """Checks that examples are of several classes: one is right for a model that says nothing else.

    Args:
        labels: `[examples]`.
    """
    classes = np.unique(labels)
    return _check(
        "several classes",
        len(classes) > 1,
        f"The examples are of {len(classes)} classes.",
        f"All {len(labels)} examples are of class {classes[0]}, which a model that always says so "
        "gets right under every attack; evaluate on examples of all classes.",
    )


def check_repeatable(difference: NDArray[np.float64], largest_logit: NDArray[np.float64]) -> Check:
    """C1: the same input gives the same output.

    Args:
        difference: `[examples]`, the largest difference of logits between two calls.
        largest_logit: `[examples]`, in magnitude; rounding grows with it.
    """
    largest = float(difference.max(initial=0.0))
    return _check(
        "C1 repeatable outputs",
        bool((difference <= MAX_LOGIT_DIFFERENCE * np.maximum(1.0, largest_logit)).all()),
        f"Asked twice, logits differ by {largest:.1e} at most.",
        f"Asked twice, logits differ by up to {largest:.3g}: a random layer is active, and attacks "
        "average over less noise than it makes; export the model in inference mode.",
    )


def check_logits(is_distribution: Flags) -> Check:
    """C2: the outputs are logits and not probabilities, whose gradients vanish.

    Args:
        is_distribution: `[examples with finite outputs]` bool, whether they are in [0, 1] and sum
            to 1.
    """
    return _check(
        "C2 logits",
        not (len(is_distribution) and bool(is_distribution.all())),
        "The outputs are not probabilities.",
        "The outputs lie in [0, 1] and sum to 1: they are probabilities, not logits, and their "
        "gradients vanish where the model is sure; export the last layer's values from before the "
        "softmax, or evaluate the .keras file, of which the softmax is left out.",
    )


def check_gradients(outcomes: Outcomes) -> Check:
    """C3: gradients exist, are not all zero, and are finite, where attacks have to mislead."""
    name = "C3 gradients"
    if outcomes.gradient_error:
        return Check(
            name,
            False,
            f"The export lost the model's gradients ({outcomes.gradient_error}); export it with "
            "custom gradients (the default of tf.saved_model.save and "
            "keras.export.ExportArchive).",
        )
    correct = outcomes.correct
    count = int(correct.sum())
    if not count:
        return Check(name, None, "No example is classified right, so nothing is left to attack.")
    if outcomes.gradient_missing:
        return Check(
            name,
            False,
            f"No gradient reaches {_quoted(outcomes.gradient_missing)}: rounding, casting to "
            "integers, a lookup or an argmax lies between them and the logits; export the "
            "differentiable part of the model, or leave the feature out of the attack.",
        )
    zeros = outcomes.gradient_zero
    dead = [feature for feature, zero in zeros.items() if zero.all()]
    if dead and len(dead) < len(zeros):
        return Check(
            name,
            False,
            f"The gradient by {_quoted(dead)} is zero for every example: the model does not use "
            "the feature, or a bucketing hides it; leave it out of the attack, or export what "
            "comes after the bucketing.",
        )
    zero = np.all(list(zeros.values()), axis=0) & correct
    broken = np.any(list(outcomes.gradient_broken.values()), axis=0) & correct
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


def check_monotone(withstood: Flags, fooled: Flags) -> Check:
    """C4: what falls within an epsilon falls within a larger one, whose ball holds the same point.

    Args:
        withstood: `[examples]` bool, withstood every attack at a larger epsilon.
        fooled: `[examples]` bool, misled at the verdict's.
    """
    name = "C4 monotone in epsilon"
    total = int((withstood | fooled).sum())
    if not withstood.any():
        return Check(name, None, "Nothing withstood a larger epsilon than the verdict's.")
    lost = int((withstood & fooled).sum())
    seen = f"Of {total} examples, {lost} fall within the verdict's epsilon and not within a larger."
    return _check(
        name,
        not _surely_beyond(lost, total, MAX_LOST_AT_LARGER),
        seen,
        f"{seen} Attacks lose their way in larger balls, so they may in smaller ones; try more "
        "steps or restarts.",
    )


def check_many_steps(one_step: Flags, many_steps: Flags) -> Check:
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


def check_noise(noise: Flags, gradient: Flags) -> Check:
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


def check_black_box(found: Flags, gradient: Flags) -> Check:
    """C7: searches without gradients mislead less often than attacks that know them.

    Args:
        found: `[examples]` bool, misled by any search without gradients but for noise.
        gradient: `[examples]` bool, misled by any gradient attack.
    """
    only, total = int((found & ~gradient).sum()), len(found)
    seen = f"Of {total} examples, {only} fall only to a search that sees no gradient."
    return _check(
        "C7 gradients beat random search",
        not _surely_beyond(only, total, MIN_BLACK_BOX_EXCESS),
        seen,
        f"{seen} The gradient attacks are too weak (add apgd_t), or the gradients do not lead to "
        "the model's mistakes.",
    )


def check_converged(more_steps: Flags) -> Check:
    """C8: twice the steps and starts find hardly more.

    Args:
        more_steps: `[examples]` bool, whether that misleads the model and no attack before did.
    """
    name = "C8 convergence"
    total, fallen = len(more_steps), int(more_steps.sum())
    if not total:
        return Check(name, None, "No example is classified right.")
    seen = (
        f"Of {total} examples, {fallen} withstand all attacks and fall to twice the steps from "
        "twice the starts."
    )
    return _check(
        name,
        not _surely_beyond(fallen, total, MAX_MORE_STEPS),
        seen,
        f"{seen} The attacks had not converged; give them a larger budget.",
    )


def check_rise(idle: Flags) -> Check:
    """C9: attacks raise the loss.

    Args:
        idle: `[attacked examples]` bool, whether no gradient attack found any point of a higher
            loss.
    """
    name = "C9 rising loss"
    if not len(idle):
        return Check(name, None, "No example was attacked.")
    count = int(idle.sum())
    seen = f"Gradients lead to a higher loss from all but {count} of {len(idle)} examples."
    return _check(
        name,
        not _surely_beyond(count, len(idle), MAX_IDLE_SHARE),
        seen,
        f"{seen} The loss is flat around these (saturated or rounded outputs), or its gradient "
        "points nowhere: add apgd_t, which sees through saturation, export unscaled logits, and "
        "look for rounding and clipping inside the model.",
    )


def check_returned(lost: Mapping[str, int], total: int) -> Check:
    """C11: a point that misleads the model on the way is the one that is returned.

    Args:
        lost: By attack, of how many examples it was not, or misleads no more when asked again.
        total: How many were attacked.
    """
    name = "C11 no silent success"
    if not total:
        return Check(name, None, "No example was attacked.")
    worst = max(lost, key=lambda attack: lost[attack], default="")
    count = lost.get(worst, 0)
    return _check(
        name,
        not _surely_beyond(count, total, MAX_SILENT_SHARE),
        f"What misleads on the way still does when asked again, but for {count} of {total}.",
        f"{worst} saw the model misled about {count} of {total} examples whose adversarial twins "
        "it gets right when asked again: its answers are not the same each time; export the model "
        "in inference mode.",
    )


def check_planted(found: Flags) -> Check:
    """C13: an adversarial example that is planted is found.

    Args:
        found: `[examples with a plant]` bool, whether it is.
    """
    name = "C13 active test"
    if not len(found):
        return Check(name, None, "No adversarial example could be planted.")
    count, total = int(found.sum()), len(found)
    _, high = wilson_interval(count, total, 0.95)
    seen = (
        f"Of {total} adversarial examples planted in a new readout of the model, the attack finds "
        f"{count}."
    )
    return _check(
        name,
        bool(high >= MIN_PLANTED_FOUND),
        seen,
        f"{seen} It has to find nearly all: the gradients do not lead to what is there, and the "
        "true robustness is lower than measured.",
    )


def _surely_beyond(count: int, total: int, tolerated: float) -> bool:
    """Returns whether a count is more than a tolerated share for certain.

    Even one example says that something was missed, but every sampler is lucky at times.
    """
    # Wilson's interval holds on the whole, but is too short for a count of one or two.
    low = float(beta.ppf(0.025, count, total - count + 1)) if count else 0.0
    return low > tolerated


def check_full_range(survived: Flags, classes: int) -> Check:
    """C10: an attack that may change everything leaves no more than guessing.

    Args:
        survived: `[attacked examples]` bool, still right when every feature may take any value.
        classes: Number of classes.
    """
    count, total = int(survived.sum()), len(survived)
    if not total:
        return Check(
            "C10 unbounded attack",
            None,
            "Not made: no example is right, or some of the model's inputs may not change, so that "
            "accuracy need not fall to guessing.",
        )
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


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
