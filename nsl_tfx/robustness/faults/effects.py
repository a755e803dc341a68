"""What a model makes of inputs that go wrong: faults, a few edited values, other neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nsl_tfx.attacks import GreedySubstitution
from nsl_tfx.configs import CorruptionName, EditName, NeighborChange, RobustnessConfig
from nsl_tfx.robustness.attacking.losses import difference_of_logits
from nsl_tfx.robustness.attacking.reference import Reference
from nsl_tfx.robustness.attacking.runner import Runner, content_seeds, is_right
from nsl_tfx.robustness.attacking.threat import Arrays, Threat
from nsl_tfx.robustness.data import Examples
from nsl_tfx.robustness.faults.corruption import corrupt, corruptible
from nsl_tfx.robustness.faults.edits import editable, make_candidates
from nsl_tfx.robustness.faults.neighbors import (
    change_neighbors,
    find_neighbors,
    neighbor_changes,
)
from nsl_tfx.robustness.models.records import RECORD
from nsl_tfx.robustness.outcomes import Flags


class Faults:
    """Faults of one model's inputs.

    Args:
        runner: Calls the model.
        config: What is measured.
        reference: Typical values.
        inputs: The model's inputs.
    """

    def __init__(
        self, runner: Runner, config: RobustnessConfig, reference: Reference, inputs: list[str]
    ) -> None:
        self._runner, self._config, self._reference = runner, config, reference
        self._inputs = inputs
        self._touched = touched_features(config, inputs)
        threat = Threat.of(config)
        self._bounds = {
            name: (threat.low.get(name), threat.high.get(name)) for name in config.features
        }

    def corrupt(self, examples: Examples) -> dict[str, Flags]:
        """Returns by corruption and severity which examples are right, `[examples]`."""
        own, pool = self._take(examples.features), self._take(self._reference.pool)
        found = {}
        for name in self._config.corruptions:
            seeds = self._seeds(examples, 2000 + list(CorruptionName).index(name))
            for severity in self._config.severities:
                changed = corrupt(name, own, severity, seeds, pool, self._bounds)
                logits = self._runner.logits(examples, changed)
                found[f"{name.value}/{severity}"] = is_right(logits, examples.labels)
        return found

    def edit(self, examples: Examples, correct: Flags) -> dict[str, Flags]:
        """Returns by kind of edit and number of edits which examples stay right, `[examples]`."""
        found = {}
        for name in self._config.edits:
            standing = correct.copy()
            for count in range(1, self._config.max_edits + 1):
                if standing.any():
                    places = np.flatnonzero(standing)
                    standing[places] = self._withstand(name, examples.take(standing), count)
                found[f"{name.value}/{count}"] = standing.copy()
        return found

    def change_neighbors(
        self, examples: Examples, prediction: NDArray[np.int64]
    ) -> tuple[dict[str, Flags], dict[str, Flags]]:
        """Returns by change which examples are right after it, and which get another class."""
        right, changed = {}, {}
        for name in neighbor_changes(self._inputs):
            seeds = self._seeds(examples, 3000 + list(NeighborChange).index(name))
            other = change_neighbors(name, examples.features, seeds, self._reference.pool)
            logits = self._runner.logits(examples, other)
            right[name.value] = is_right(logits, examples.labels)
            changed[name.value] = logits.argmax(axis=1) != prediction
        return right, changed

    def _withstand(self, name: EditName, examples: Examples, count: int) -> Flags:
        """Returns which examples stay right under the worst edits of so many values."""
        own, pool = self._take(examples.features), self._take(self._reference.pool)
        candidates = make_candidates(name, own, pool, self._bounds)
        # Those of a row's own are cut into batches with the rows.
        by_row = candidates if name is EditName.SCALE_ERROR else {}
        attack = GreedySubstitution(changes=count)

        def search(
            moving: Any, still: Any, labels: tf.Tensor, seed: Any, epsilon: Any, *given: Any
        ) -> tf.Tensor:
            del seed, epsilon  # Every candidate is tried, near or far.

            def loss(x: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
                logits = self._runner.call(x)
                return difference_of_logits(logits, labels), tf.argmax(logits, axis=1) != labels

            shared = {k: tf.constant(v) for k, v in candidates.items() if not by_row}
            return attack.find(loss, {**still, **moving}, {**shared, **dict(*given)}).fooled

        key = f"{name.value} {count}"
        fooled = self._runner.search(key, search, examples, 0.0, (0,), by_row)
        return ~np.asarray(fooled)

    def _take(self, features: Arrays) -> Arrays:
        return {name: features[name] for name in self._touched}

    def _seeds(self, examples: Examples, number: int) -> NDArray[np.uint32]:
        own = content_seeds([examples.features[name] for name in self._inputs])
        more = np.random.SeedSequence((self._config.seed, number)).generate_state(2)
        return np.asarray(own ^ more)


def touched_features(config: RobustnessConfig, inputs: list[str]) -> list[str]:
    """Returns the inputs that faults and edits touch.

    Example:
        >>> config = RobustnessConfig(features=("x",), label_feature="y", epsilon=0.1)
        >>> touched_features(config, ["x", "city", "NL_nbr_0_x", "NL_nbr_0_weight"])
        ['x', 'city']
    """
    if config.fault_features:
        return list(config.fault_features)
    others = {name for neighbor in find_neighbors(inputs) for name in neighbor.names}
    return [name for name in inputs if name not in others and name != RECORD]


def check_faults(config: RobustnessConfig, features: Arrays, inputs: list[str]) -> None:
    """Raises ValueError where a corruption or an edit applies to none of the model's inputs."""
    absent = [name for name in config.fault_features if name not in inputs]
    if absent:
        raise ValueError(
            f"Expected RobustnessConfig.fault_features among the model's inputs: "
            f"{', '.join(inputs)}. Received: {', '.join(absent)}."
        )
    touched = {name: features[name] for name in touched_features(config, inputs)}
    kinds: list[tuple[str, Any, Any]] = [
        *(("corruptions", name, corruptible(name, touched)) for name in config.corruptions),
        *(("edits", name, editable(name, touched)) for name in config.edits),
    ]
    for field, name, applies in kinds:
        if not applies:
            shown = ", ".join(f"{k} {v.dtype} {list(v.shape[1:])}" for k, v in touched.items())
            raise ValueError(
                f"Expected RobustnessConfig.{field} that apply to one of the features at least. "
                f"Received: {name.value!r} for {shown or 'none'}; leave it out."
            )
