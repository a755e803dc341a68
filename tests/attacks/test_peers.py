"""The attacks beside Foolbox's and those of the Adversarial Robustness Toolbox: `make test-peer`.

All attack one small network that reads scikit-learn's digits, on the same rows. Where two
algorithms are the same, so must be the points; where they differ, what is left standing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx.attacks import APGD, FGSM, PGD, Attack, Square
from nsl_tfx.configs import NormType
from nsl_tfx.robustness.attacking.losses import (
    cross_entropy,
    difference_of_logits,
    difference_of_logits_ratio,
)

foolbox = pytest.importorskip("foolbox", reason="make test-peer runs these")
art_attacks = pytest.importorskip("art.attacks.evasion", reason="make test-peer runs these")
art_classifiers = pytest.importorskip("art.estimators.classification")
datasets = pytest.importorskip("sklearn.datasets")

STEPS = 40
BOX = {"clip_value_min": 0.0, "clip_value_max": 1.0}
# By norm, a radius at which about half of the rows stand, and the length of a step.
RADIUS = {NormType.INFINITY: 0.1, NormType.L2: 0.6}
STEP = {NormType.INFINITY: 0.01, NormType.L2: 0.06}
NORMS = pytest.mark.parametrize("norm", list(RADIUS), ids=lambda norm: norm.value)


@dataclasses.dataclass(frozen=True)
class Digits:
    """A network and rows that it has not seen.

    Attributes:
        weights: Of two dense layers.
        image: `[rows, 8, 8, 1]` float32 from 0 to 1.
        label: `[rows]`.
    """

    weights: list[np.ndarray]
    image: np.ndarray
    label: np.ndarray

    def first(self, rows: int) -> Digits:
        return dataclasses.replace(self, image=self.image[:rows], label=self.label[:rows])

    def logits(self, image: Any, training: bool = False) -> tf.Tensor:
        del training  # ART names it.
        first, first_bias, second, second_bias = self.weights
        flat = tf.reshape(image, [-1, 64])
        return tf.nn.relu(flat @ first + first_bias) @ second + second_bias

    def loss(self, image: np.ndarray) -> np.ndarray:
        return cross_entropy(self.logits(image), self.label).numpy()

    def is_fooled(self, image: np.ndarray) -> np.ndarray:
        return np.argmax(self.logits(image), axis=1) != self.label

    def left(self, image: np.ndarray) -> float:
        """The share that is classified as labelled."""
        return 1 - float(np.mean(self.is_fooled(image)))

    def attack(
        self,
        attack: Attack,
        loss: Callable[[Any, Any], Any] = cross_entropy,
        tells_fooled: bool = True,
    ) -> np.ndarray:
        """What our attack makes of the rows."""

        def raised(x: dict[str, tf.Tensor]) -> Any:
            logits = self.logits(x["image"])
            value = loss(logits, self.label)
            return (value, tf.argmax(logits, axis=1) != self.label) if tells_fooled else value

        run = tf.function(lambda x: attack(raised, x), autograph=False)
        return run({"image": tf.constant(self.image)})["image"].numpy()

    def foolbox(self, attack: Any, epsilon: float) -> np.ndarray:
        """What an attack of Foolbox makes of the rows."""
        model = foolbox.TensorFlowModel(self.logits, bounds=(0, 1), device="/CPU:0")
        images, labels = tf.constant(self.image), tf.constant(self.label)
        return attack.run(model, images, labels, epsilon=epsilon).numpy()

    def art(self, attack: Callable[..., Any], **settings: Any) -> np.ndarray:
        """What an attack of ART makes of the rows."""
        classifier = art_classifiers.TensorFlowV2Classifier(
            model=self.logits,
            nb_classes=10,
            input_shape=self.image.shape[1:],
            loss_object=keras.losses.CategoricalCrossentropy(from_logits=True),
            clip_values=(0.0, 1.0),
        )
        # ART draws from NumPy's global generator.
        np.random.seed(0)  # noqa: NPY002
        made = attack(classifier, batch_size=len(self.image), **settings)
        return made.generate(self.image.copy(), self.label)


@pytest.fixture(scope="module")
def digits() -> Digits:
    data = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    train, test = order[:1200], order[1200:]
    image = (data.images / 16).astype(np.float32)[..., np.newaxis]
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(32, "relu"),
            keras.layers.Dense(10),
        ]
    )
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.fit(image[train], data.target[train], epochs=20, batch_size=32, verbose=0)
    return Digits(network.get_weights(), image[test], data.target[test].astype(np.int64))


def foolbox_steps(norm: NormType, steps: int) -> Any:
    kind = {
        NormType.INFINITY: foolbox.attacks.LinfProjectedGradientDescentAttack,
        NormType.L2: foolbox.attacks.L2ProjectedGradientDescentAttack,
    }[norm]
    return kind(abs_stepsize=STEP[norm], steps=steps, random_start=False)


def better(digits: Digits, points: np.ndarray) -> np.ndarray:
    """Returns the points where they have a higher loss than the rows, else the rows."""
    higher = digits.loss(points) > digits.loss(digits.image)
    assert np.mean(higher) > 0.9
    return np.where(higher[:, None, None, None], points, digits.image)


def test_fgsm_is_foolbox_s_to_the_bit(digits):
    theirs = digits.foolbox(foolbox.attacks.LinfFastGradientAttack(), 0.1)
    ours = digits.attack(FGSM(epsilon=0.1, **BOX), tells_fooled=False)
    np.testing.assert_array_equal(ours, better(digits, theirs))


def test_fgsm_is_art_s_to_the_bit(digits):
    theirs = digits.art(art_attacks.FastGradientMethod, eps=0.1)
    ours = digits.attack(FGSM(epsilon=0.1, **BOX), tells_fooled=False)
    np.testing.assert_array_equal(ours, better(digits, theirs))


def test_the_l2_step_is_foolbox_s(digits):
    epsilon = RADIUS[NormType.L2]
    theirs = digits.foolbox(foolbox.attacks.L2FastGradientAttack(), epsilon)
    ours = digits.attack(FGSM(epsilon=epsilon, norm=NormType.L2, **BOX), tells_fooled=False)
    np.testing.assert_allclose(ours, better(digits, theirs), rtol=0, atol=1e-6)


def ascend(digits: Digits, norm: NormType, steps: int) -> np.ndarray:
    """Returns where our steps end, be it the best point or not."""
    region = PGD(epsilon=RADIUS[norm], norm=norm, **BOX).region

    def gradient_at(x: dict[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = cross_entropy(digits.logits(x["image"]), digits.label)
        return (tape.gradient(loss, x),)

    @tf.function(autograph=False)
    def run(x: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return region.ascend(x, x, STEP[norm], steps, gradient_at)[0]

    found = run({"image": tf.constant(digits.image)})["image"].numpy()
    assert np.abs(found - digits.image).max() > STEP[norm] / 4
    return found


@NORMS
@pytest.mark.parametrize("steps", [2, STEPS])
def test_steps_end_where_foolbox_s_do(digits, norm, steps):
    theirs = digits.foolbox(foolbox_steps(norm, steps), RADIUS[norm])
    np.testing.assert_allclose(ascend(digits, norm, steps), theirs, rtol=0, atol=1e-6)


def test_steps_end_where_art_s_do(digits):
    """In this norm alone: by L2, ART adds 1e-7 to the length of a gradient that may be shorter."""
    norm = NormType.INFINITY
    settings = {"eps": RADIUS[norm], "eps_step": STEP[norm], "max_iter": STEPS, "verbose": False}
    theirs = digits.art(art_attacks.ProjectedGradientDescent, **settings)
    np.testing.assert_allclose(ascend(digits, norm, STEPS), theirs, rtol=0, atol=1e-6)


@NORMS
@pytest.mark.parametrize("tells_fooled", [False, True], ids=["the highest", "the first that fools"])
def test_pgd_returns_the_best_of_foolbox_s_points(digits, norm, tells_fooled):
    epsilon = RADIUS[norm]
    steps = [foolbox_steps(norm, count) for count in range(1, STEPS + 1)]
    points = np.stack([digits.image, *(digits.foolbox(attack, epsilon) for attack in steps)])
    value = np.stack([digits.loss(x) for x in points])
    fooled = np.stack([digits.is_fooled(x) for x in points])
    attack = PGD(epsilon=epsilon, norm=norm, steps=STEPS, step_size=STEP[norm], **BOX)
    ours = digits.attack(attack, tells_fooled=tells_fooled)
    near = np.abs(points - ours).max(axis=(2, 3, 4)) <= 1e-6
    # Points of equal loss are equally good.
    wanted = value >= value.max(axis=0) - 1e-6
    if tells_fooled:
        first = np.arange(len(points))[:, None] == fooled.argmax(axis=0)
        wanted = np.where(fooled.any(axis=0), first, wanted)
        assert 0.2 < np.mean(fooled.any(axis=0)) < 0.9
    assert (near & wanted).any(axis=0).all()


@pytest.mark.parametrize(
    ("art_norm", "norm"), [(np.inf, NormType.INFINITY), (2, NormType.L2)], ids=["infinity", "l2"]
)
def test_apgd_on_cross_entropy_leaves_as_many_as_art_s(digits, art_norm, norm):
    epsilon = RADIUS[norm]
    theirs = digits.art(
        art_attacks.AutoProjectedGradientDescent,
        norm=art_norm,
        eps=epsilon,
        eps_step=2 * epsilon,
        nb_random_init=1,
        loss_type="cross_entropy",
        verbose=False,
    )
    ours = digits.attack(APGD(epsilon=epsilon, norm=norm, **BOX))
    assert 0.2 < digits.left(ours) < 0.9
    assert digits.left(ours) == pytest.approx(digits.left(theirs), abs=0.02)


def test_apgd_on_the_ratio_of_logits_leaves_no_more_than_art_s(digits):
    # ART goes through the rows one by one, in every step.
    few = digits.first(50)
    theirs = few.art(
        art_attacks.AutoProjectedGradientDescent,
        eps=0.1,
        eps_step=0.2,
        nb_random_init=1,
        loss_type="difference_logits_ratio",
        verbose=False,
    )
    ours = few.attack(APGD(epsilon=0.1, **BOX), difference_of_logits_ratio)
    assert few.left(ours) <= few.left(theirs) + 0.02


def test_square_leaves_no_more_than_art_s(digits):
    """ART never changes the last row and column, so that ours may find more."""
    queries = 300
    theirs = digits.art(art_attacks.SquareAttack, eps=0.1, max_iter=queries - 1, verbose=False)
    ours = digits.attack(Square(epsilon=0.1, queries=queries, **BOX), difference_of_logits)
    assert digits.left(ours) < digits.left(digits.image) - 0.2
    assert digits.left(ours) <= digits.left(theirs) + 0.02
