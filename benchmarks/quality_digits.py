"""Handwritten digits: a small convolutional network, plain and trained against attacks.

Of the 10,000 images, in the order of the file, 7,000 are trained on, the next 1,000 chose the
settings, and the last 2,000 are for the test. An attacker moves each pixel (0 to 1) by up to
epsilon; what is measured is the accuracy under PGD with 40 steps from the image itself and from
random points, as RobustnessEvaluator does it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from quality_data import read_digits
from quality_part import Arrays, Method, rows_of
from quality_training import fit

TITLE = "digits: accuracy on 2,000 images, % [95 % interval]"
MEASURES = {
    "robust 0.3": "PGD 0.3",
    "robust 0.2": "PGD 0.2",
    "robust 0.1": "PGD 0.1",
    "clean": "clean",
    "lost": "lost",
    "robust 0.5": "PGD 0.5",
}
FEATURE, LABEL = "image", "label"
TRAIN, VAL = 7000, 1000
PIXEL_RANGE = {"clip_value_min": 0.0, "clip_value_max": 1.0}
# On as many images are the two checks made that PGD tells the truth: "lost" are those that
# withstand it but not an attack on the margin with 200 steps and 5 random starts; and where every
# pixel may become grey, nothing should be left.
CHECKED = 500


@dataclasses.dataclass(frozen=True, kw_only=True)
class DigitsMethod(Method):
    """How the network is trained.

    Attributes:
        attack: What it is trained against: none, adversarial or trades.
        multiplier: Weight of the adversarial loss, or of the divergence of TRADES.
        epsilon: Radius of the attack, in units of a pixel.
        steps: Of the attack.
        step_size: Of the attack, in units of a pixel.
        ramp_epochs: In how many epochs the multiplier grows to its full size.
    """

    attack: str = "none"
    multiplier: float = 0.0
    epsilon: float = 0.3
    steps: int = 1
    step_size: float = 0.3
    random_init: bool = True
    ramp_epochs: int = 0
    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 1e-3


METHODS = {
    "plain": DigitsMethod(title="plain", epochs=20, has_peer=True),
    "fgsm": DigitsMethod(
        title="FGSM from a random start",
        baseline="plain",
        attack="adversarial",
        multiplier=4.0,
        step_size=0.2,
        epochs=20,
        has_peer=True,
    ),
    "pgd": DigitsMethod(
        title="PGD, 7 steps",
        baseline="plain",
        attack="adversarial",
        multiplier=4.0,
        steps=7,
        step_size=0.1,
        ramp_epochs=10,
    ),
    "trades": DigitsMethod(
        title="TRADES, 7 steps",
        baseline="plain",
        attack="trades",
        multiplier=6.0,
        steps=7,
        step_size=0.1,
        ramp_epochs=10,
    ),
}


def prepare(method: DigitsMethod, seed: int, quick: bool) -> Arrays:
    images, labels = read_digits()
    split = np.repeat(["train", "val", "test"], [TRAIN, VAL, len(labels) - TRAIN - VAL])
    if quick:
        split[256:TRAIN] = "none"
    return {"x": images, "y": labels, "split": split}


def make_model(method: DigitsMethod, arrays: Arrays) -> keras.Model:
    layers = keras.layers
    inputs = keras.Input((28, 28, 1), name=FEATURE)
    x = layers.Conv2D(16, 5, strides=2, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(32, 5, strides=2, padding="same", activation="relu")(x)
    x = layers.Dense(128, activation="relu")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(10)(x))


def wrap(nsl: Any, method: DigitsMethod, base: keras.Model) -> keras.Model:
    # By name, since NSL ignores bounds that are one number.
    bounds = {setting: {FEATURE: value} for setting, value in PIXEL_RANGE.items()}
    if method.attack == "trades":
        config = nsl.configs.make_trades_reg_config(
            epsilon=method.epsilon,
            step_size=method.step_size,
            steps=method.steps,
            multiplier=method.multiplier,
            **bounds,
            random_init=method.random_init,
        )
        return nsl.keras.TradesRegularization(base, config)
    config = nsl.configs.make_adv_reg_config(
        multiplier=method.multiplier,
        adv_step_size=method.step_size,
        adv_grad_norm="infinity",
        pgd_iterations=method.steps,
        pgd_epsilon=method.epsilon,
        **bounds,
        random_init=method.random_init,
    )
    return nsl.keras.AdversarialRegularization(base, adv_config=config)


def train(nsl: Any, method: DigitsMethod, model: keras.Model, arrays: Arrays, quick: bool) -> None:
    trained = model if method.attack == "none" else wrap(nsl, method, model)
    callbacks = []
    if method.ramp_epochs:
        callbacks = [nsl.keras.RegularizationSchedule(ramp_epochs=method.ramp_epochs)]
    epochs = 1 if quick else method.epochs
    images, labels = rows_of(arrays, "train")
    # NSL wants an attacked model's labels among its features, and for a random start batches of
    # one size: the few images that an epoch leaves over are others each time.
    columns: Any = {FEATURE: images}, labels
    if method.attack == "adversarial":
        columns = {FEATURE: images, LABEL: labels}
    data = tf.data.Dataset.from_tensor_slices(columns).shuffle(len(images))
    data = data.batch(method.batch_size, drop_remainder=True)
    steps = epochs * len(data)
    decay = keras.optimizers.schedules.CosineDecay(method.learning_rate, steps)
    fit(trained, data, epochs, decay, callbacks)


def evaluate(
    model: keras.Model, arrays: Arrays, quick: bool, split: str = "test"
) -> dict[str, float]:
    from nsl_tfx.attacks import PGD
    from nsl_tfx.configs import AttackBudget, RobustnessConfig
    from nsl_tfx.robustness import ModelUnderTest
    from nsl_tfx.robustness import evaluate as attack

    under_test = ModelUnderTest(
        lambda features: model(features, training=False),
        {FEATURE: tf.TensorSpec([None, 28, 28, 1], tf.float32)},
    )
    images, labels = (values[: 50 if quick else None] for values in rows_of(arrays, split))
    examples = {FEATURE: images, LABEL: labels}
    budget = AttackBudget(steps=2 if quick else 40, restarts=1 if quick else 5)
    config = RobustnessConfig(
        features=(FEATURE,),
        label_feature=LABEL,
        **PIXEL_RANGE,
        attacks=("pgd",),
        epsilon=0.3,
        curve=(0.1, 0.2),
        budget=budget,
    )
    scores = attack(under_test, examples, config).model
    found = {f"robust {p.epsilon:g}": 100 * p.accuracy.value for p in scores.curve if p.epsilon}
    found["clean"] = 100 * scores.accuracy.value
    few = {name: values[:CHECKED] for name, values in examples.items()}
    harder = PGD(epsilon=0.3, steps=2 if quick else 200, restarts=budget.restarts, **PIXEL_RANGE)
    stands = scores.rows.robust_at(0.3)[:CHECKED]
    found["lost"] = 100 * float(np.mean(stands & misled(model, harder, few[FEATURE], few[LABEL])))
    grey = attack(under_test, few, config.replace(curve=(), epsilon=0.5)).model
    found["robust 0.5"] = 100 * grey.robust_accuracy.value
    return found


def misled(model: keras.Model, attack: Any, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns which images an attack on the margin misleads the model about, `[images]`.

    The margin between the largest wrong logit and the label's keeps its slope where cross-entropy
    has none because the model is sure (Carlini and Wagner 2017, "Towards evaluating the robustness
    of neural networks", f6).
    """
    wanted = tf.one_hot(labels, 10)

    def margin(x: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        logits = model(x[FEATURE], training=False)
        own = tf.reduce_sum(wanted * logits, axis=1)
        value = tf.reduce_max(logits - 1e9 * wanted, axis=1) - own
        return value, value > 0

    @tf.function
    def search(x: tf.Tensor) -> tf.Tensor:
        return margin(attack(margin, {FEATURE: x}))[1]

    return search(tf.constant(images)).numpy()
