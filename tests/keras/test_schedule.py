"""Letting terms in after some epochs."""

import keras
import numpy as np
import pytest

from nsl_tfx import configs
from nsl_tfx.keras import RegularizationSchedule, RegularizedModel

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
Y = np.arange(8) % 3
ADVERSARIAL = configs.make_adv_reg_config(multiplier=0.5, adv_step_size=0.3)
VIRTUAL = configs.make_virtual_adv_reg_config(0.5)


def make_model(**terms):
    keras.utils.set_random_seed(0)
    base = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model = RegularizedModel(base, **terms)
    model.compile(
        keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def fit(model, epochs, schedule=None, **options):
    callbacks = [schedule] if schedule else []
    return model.fit(
        X, Y, epochs=epochs, callbacks=callbacks, batch_size=8, verbose=0, **options
    ).history


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ((0, 0), [1, 1, 1]),
        ((2, 0), [0, 0, 1, 1]),
        ((2, 1), [0, 0, 1, 1]),
        ((1, 4), [0, 0.25, 0.5, 0.75, 1, 1]),
    ],
)
def test_strength(settings, expected):
    schedule = RegularizationSchedule(*settings)
    assert [schedule.strength(epoch) for epoch in range(len(expected))] == expected


@pytest.mark.slow
def test_before_the_start_it_is_the_plain_fit_and_after_it_the_full_one():
    scheduled, plain = make_model(adversarial=ADVERSARIAL), make_model()
    history = fit(scheduled, 3, RegularizationSchedule(start_epoch=2))
    before = fit(plain, 2)
    assert history["loss"][:2] == before["loss"]
    assert history["scaled_adversarial_loss"][:2] == [0, 0]
    full = make_model(adversarial=ADVERSARIAL)
    full.set_weights(plain.get_weights())
    after = fit(full, 1)
    np.testing.assert_allclose(history["loss"][2], after["loss"][0], rtol=1e-6)


@pytest.mark.slow
def test_the_ramp_scales_the_term():
    rates = []
    for strength in (0.5, 1.0):
        model = make_model(adversarial=ADVERSARIAL)
        model.set_strength(strength)
        rates.append(fit(model, 1)["scaled_adversarial_loss"][0])
    np.testing.assert_allclose(rates[0], rates[1] / 2, rtol=1e-6)


@pytest.mark.slow
def test_one_term_of_two():
    model = make_model(adversarial=ADVERSARIAL, virtual_adversarial=VIRTUAL)
    history = fit(model, 1, RegularizationSchedule(start_epoch=1, terms=["adversarial"]))
    assert history["scaled_adversarial_loss"] == [0]
    assert history["scaled_virtual_adversarial_loss"][0] > 0


@pytest.mark.slow
def test_resuming_goes_by_the_epochs_number():
    history = fit(
        make_model(adversarial=ADVERSARIAL),
        3,
        RegularizationSchedule(start_epoch=2),
        initial_epoch=2,
    )
    assert history["scaled_adversarial_loss"][0] > 0
