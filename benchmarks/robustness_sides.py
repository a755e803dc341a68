"""The attacks of `robustness.py` as each library runs them: ours, Foolbox's and ART's.

Each side makes, from a model, images and labels, the calls that attack all of these images at once.
Foolbox and ART are given the model in two ways: as the Keras model that their documentation gives
them, and within a `tf.function`, which is the best that their users can do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

FEATURE, LABEL = "image", "label"
PIXELS = (0.0, 1.0)

Call = Callable[[], np.ndarray]
"""Attacks, and returns the images that it made, `[images, height, width, channels]`."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all sides do.

    Attributes:
        epsilon: Radius in the infinity norm, in units of a pixel.
        step_size: Of PGD, likewise.
        steps: Of PGD.
        apgd_steps: Of APGD.
        queries: Of Square, about each image.
    """

    epsilon: float = 0.1
    step_size: float = 0.01
    steps: int = 40
    apgd_steps: int = 100
    queries: int = 300


@dataclasses.dataclass(frozen=True)
class Target:
    """What is attacked: a Keras model, images and their labels `[images]`."""

    model: keras.Model
    images: np.ndarray
    labels: np.ndarray

    def left(self, images: np.ndarray) -> float:
        """Returns the share that is classified as labelled."""
        found = np.argmax(self.model(images, training=False), axis=1)
        return float(np.mean(found == self.labels))


def ours(name: str, target: Target, settings: Settings) -> Call:
    """Attacks as `nsl_tfx.robustness.evaluate` does, its second look at what came back included."""
    from nsl_tfx.configs import AttackBudget, RobustnessConfig
    from nsl_tfx.robustness.attacking.runner import Runner
    from nsl_tfx.robustness.attacking.suite import make_attack
    from nsl_tfx.robustness.attacking.threat import Threat
    from nsl_tfx.robustness.data import collect

    config = RobustnessConfig(
        features=(FEATURE,),
        label_feature=LABEL,
        epsilon=settings.epsilon,
        clip_value_min=PIXELS[0],
        clip_value_max=PIXELS[1],
        attacks=(name,),
        budget=AttackBudget(
            steps=settings.steps,
            relative_step_size=settings.step_size / settings.epsilon,
            restarts=0,
            apgd_steps=settings.apgd_steps,
            square_queries=settings.queries,
        ),
    )
    tested = under_test(target.model)
    examples = collect({FEATURE: target.images, LABEL: target.labels}, tested.inputs, LABEL)
    runner = Runner(tested, Threat.of(config), len(target.images))
    (attack,) = (make_attack(name, config) for name in config.attack_names)
    return lambda: runner.attack(attack, examples, settings.epsilon, (0,)).adversarial[FEATURE]


def under_test(model: keras.Model) -> Any:
    from nsl_tfx.robustness import ModelUnderTest

    return ModelUnderTest(
        lambda features: model(features[FEATURE], training=False),
        {FEATURE: tf.TensorSpec([None, *model.input_shape[1:]], tf.float32)},
    )


def foolbox(name: str, target: Target, settings: Settings, compiled: bool = False) -> Call:
    import foolbox as library

    attacks = {
        "fgsm": lambda: library.attacks.LinfFastGradientAttack(),
        "pgd": lambda: library.attacks.LinfProjectedGradientDescentAttack(
            abs_stepsize=settings.step_size, steps=settings.steps, random_start=False
        ),
    }
    attack = attacks[name]()
    model = library.TensorFlowModel(callable_of(target.model, compiled), bounds=PIXELS)
    images, labels = tf.constant(target.images), tf.constant(target.labels)
    return lambda: attack(model, images, labels, epsilons=settings.epsilon)[1].numpy()


def art(name: str, target: Target, settings: Settings, compiled: bool = False) -> Call:
    from art.attacks import evasion
    from art.estimators.classification import TensorFlowV2Classifier

    classifier = TensorFlowV2Classifier(
        model=callable_of(target.model, compiled),
        nb_classes=10,
        input_shape=target.images.shape[1:],
        loss_object=keras.losses.CategoricalCrossentropy(from_logits=True),
        clip_values=PIXELS,
    )
    common = {"eps": settings.epsilon, "batch_size": len(target.images)}
    quiet = {**common, "verbose": False}

    def apgd(loss: str) -> Any:
        return evasion.AutoProjectedGradientDescent(
            classifier,
            eps_step=2 * settings.epsilon,
            max_iter=settings.apgd_steps,
            nb_random_init=1,
            loss_type=loss,
            **quiet,
        )

    attacks = {
        "fgsm": lambda: evasion.FastGradientMethod(classifier, **common),
        "pgd": lambda: evasion.ProjectedGradientDescent(
            classifier, eps_step=settings.step_size, max_iter=settings.steps, **quiet
        ),
        "apgd_ce": lambda: apgd("cross_entropy"),
        "apgd_dlr": lambda: apgd("difference_logits_ratio"),
        # The stripes at the beginning are a query too.
        "square": lambda: evasion.SquareAttack(classifier, max_iter=settings.queries - 1, **quiet),
    }
    attack = attacks[name]()
    return lambda: attack.generate(target.images, target.labels)


def bare(steps: int, target: Target) -> Call:
    """Takes so many gradients and does nothing else: no attack by gradients takes less."""
    images, labels = tf.constant(target.images), tf.constant(target.labels)

    @tf.function(autograph=False)
    def run(x: tf.Tensor) -> tf.Tensor:
        def step(x: tf.Tensor) -> tuple[tf.Tensor]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                logits = target.model(x, training=False)
                loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            # Of an x that stays the same, TensorFlow could take the gradient once.
            return (x + tape.gradient(loss, x),)

        return tf.while_loop(lambda *_: True, step, (x,), maximum_iterations=steps)[0]

    return lambda: run(images).numpy()


def callable_of(model: keras.Model, compiled: bool) -> Any:
    if not compiled:
        return model
    graph = tf.function(lambda x: model(x, training=False), autograph=False)
    # ART names its second argument.
    return lambda x, training=False: graph(x)
