"""How far an example is from being misled: at most by search, at least by smoothing."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nsl_tfx.attacks import Structure
from nsl_tfx.configs import RobustnessConfig, SmoothingConfig
from nsl_tfx.robustness.attacking.losses import difference_of_logits
from nsl_tfx.robustness.attacking.runner import Runner, is_right
from nsl_tfx.robustness.attacking.smallest import smallest_epsilon
from nsl_tfx.robustness.attacking.smoothing import ABSTAINED, conclude, count_twice
from nsl_tfx.robustness.attacking.suite import PlannedAttack
from nsl_tfx.robustness.attacking.threat import Arrays, Threat
from nsl_tfx.robustness.data import Examples


@dataclasses.dataclass(frozen=True)
class Nearest:
    """The nearest points that mislead the model.

    Attributes:
        epsilon: `[examples]`, how far they are; infinity where none was found.
        adversarial: Their features, `[examples, ...]` by name.
        logits: `[examples, classes]` there.
    """

    epsilon: NDArray[np.float64]
    adversarial: Arrays
    logits: NDArray[Any]


def search_nearest(
    runner: Runner, planned: PlannedAttack, examples: Examples, config: RobustnessConfig
) -> Nearest:
    """Searches for each example's smallest epsilon up to the largest of the config.

    By bisection; see `nsl_tfx.robustness.attacking.smallest`. What is found is asked about again,
    as what attacks find is.
    """
    threat = Threat.of(config)
    largest = max(config.epsilons)

    def search(x: Structure, still: Any, labels: Any, seed: Any, epsilon: Any) -> Any:
        predict = runner.model(still)

        def loss(moved: Structure) -> tuple[tf.Tensor, tf.Tensor]:
            logits = predict(moved)
            return difference_of_logits(logits, labels), tf.argmax(logits, axis=1) != labels

        attack = planned.attack.replace(scale=threat.reach(x, epsilon))
        found = smallest_epsilon(attack, loss, x, 0.0, largest, config.bisections, seed)
        return found.epsilon, found.x

    # A radius of 1, which the search scales.
    found, points = runner.search("nearest", search, examples, 1.0, (config.seed, 1003))
    originals = {name: examples.features[name] for name in points}
    logits = runner.logits(examples, points)
    epsilon = found.astype(np.float64)
    reach = np.where(np.isfinite(epsilon), epsilon, largest)
    valid = ~threat.find_invalid(originals, points, reach) & ~is_right(logits, examples.labels)
    return Nearest(np.where(valid, epsilon, math.inf), points, logits)


def certify_examples(
    runner: Runner, examples: Examples, config: RobustnessConfig, smoothing: SmoothingConfig
) -> NDArray[np.float64]:
    """Returns the radius within which the smoothed model is right, `[examples]`.

    In the L2 norm, in units of the input feature times the config's scale; NaN where it is wrong or
    abstains. See `nsl_tfx.robustness.attacking.smoothing`.
    """
    threat = Threat.of(config)

    def count(x: Structure, still: Any, labels: Any, seed: Any, epsilon: Any) -> Any:
        del labels
        predict, scale = runner.model(still), threat.reach(x, epsilon)

        def predict_moved(moved: Structure) -> tf.Tensor:
            return predict({name: x[name] + scale[name] * moved[name] for name in x})

        zero = {name: tf.zeros_like(value) for name, value in x.items()}
        return count_twice(predict_moved, zero, smoothing, seed)

    chosen, counted = runner.search("smoothing", count, examples, 1.0, (config.seed, 1004))
    found = conclude(chosen, counted, smoothing)
    right = (found.classes != ABSTAINED) & (found.classes == examples.labels)
    return np.where(right, found.radius, math.nan)
