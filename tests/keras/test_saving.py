"""What is written of a wrapper, and what comes back."""

import keras
import numpy as np
import pytest

from nsl_tfx import configs
from nsl_tfx.keras import (
    AdversarialRegularization,
    GraphRegularization,
    RegularizedModel,
    TradesRegularization,
    VirtualAdversarialRegularization,
)

pytestmark = pytest.mark.slow

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
Y = np.arange(6) % 3
WITH_NEIGHBORS = {
    "x": X,
    "NL_nbr_0_x": X[::-1].copy(),
    "NL_nbr_0_weight": np.ones([6, 1], "float32"),
}
GRAPH = configs.make_graph_reg_config(max_neighbors=1, multiplier=0.3)
ADVERSARIAL = configs.make_adv_reg_config(
    adv_step_size=0.1, feature_mask={"x": [1.0, 1.0, 0.0, 1.0]}
)
MOVE = configs.AdvNeighborConfig(adv_step_size=0.1)


@keras.saving.register_keras_serializable(package="tests")
class Encoder(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = keras.layers.Dense(5, activation="tanh")
        self.out = keras.layers.Dense(3)

    def encode(self, features):
        return self.hidden(features["x"])

    def call(self, inputs):
        return self.out(self.encode(inputs))


def functional():
    keras.utils.set_random_seed(0)
    x = keras.Input((4,), name="x")
    hidden = keras.layers.Dense(5, activation="tanh", name="hidden")(x)
    return keras.Model(x, keras.layers.Dense(3)(hidden))


def by_method():
    keras.utils.set_random_seed(0)
    base = Encoder()
    return GraphRegularization(base, GRAPH, embedding=base.encode)


WRAPPERS = {
    "adversarial": (
        lambda: AdversarialRegularization(
            functional(), ["y"], "w", adv_config=ADVERSARIAL, name="mine"
        ),
        {"x": X, "y": Y, "w": np.ones(6, "float32")},
        None,
    ),
    "graph": (
        lambda: GraphRegularization(
            functional(),
            GRAPH,
            embedding="hidden",
            neighbor_features=["x"],
            neighbor_perturbation=MOVE,
        ),
        WITH_NEIGHBORS,
        Y,
    ),
    "graph_by_method": (by_method, WITH_NEIGHBORS, Y),
    "virtual": (
        lambda: VirtualAdversarialRegularization(
            functional(), configs.make_virtual_adv_reg_config(0.2)
        ),
        {"x": X},
        Y,
    ),
    "trades": (
        lambda: TradesRegularization(functional(), configs.make_trades_reg_config(0.2)),
        {"x": X},
        Y,
    ),
    "combined": (
        lambda: RegularizedModel(functional(), graph=GRAPH, adversarial=ADVERSARIAL),
        WITH_NEIGHBORS,
        Y,
    ),
}


@pytest.fixture(params=WRAPPERS)
def trained(request):
    make, x, y = WRAPPERS[request.param]
    model = make()
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        run_eagerly=True,
    )
    model.train_on_batch(x, y)
    return model, x, y


def assert_same_optimizer(a, b):
    assert a is not b
    assert int(a.iterations) == 1
    for one, other in zip(a.variables, b.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_whole_wrapper_comes_back_compiled(trained, tmp_path):
    model, x, y = trained
    keras.saving.save_model(model, tmp_path / "wrapper.keras")
    loaded = keras.models.load_model(tmp_path / "wrapper.keras")
    assert type(loaded) is type(model)
    found, expected = loaded.get_config(), model.get_config()
    assert {**found, "base_model": None} == {**expected, "base_model": None}
    assert_same_optimizer(loaded.optimizer, model.optimizer)
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    after = loaded.train_on_batch(x, y)
    np.testing.assert_allclose(after, model.train_on_batch(x, y), rtol=1e-6)


def test_save_writes_the_base_model_compiled(trained, tmp_path):
    model, x, _ = trained
    model.save(tmp_path / "base.keras")
    loaded = keras.models.load_model(tmp_path / "base.keras")
    assert type(loaded) is type(model.base_model)
    assert_same_optimizer(loaded.optimizer, model.optimizer)
    own = {"x": X} if isinstance(loaded, Encoder) else X
    np.testing.assert_array_equal(loaded.predict(own, verbose=0), model.predict(x, verbose=0))
    loss, accuracy = loaded.evaluate(own, Y, verbose=0)
    plain = keras.losses.sparse_categorical_crossentropy(
        Y, model.predict(x, verbose=0), from_logits=True
    )
    np.testing.assert_allclose(loss, np.mean(plain), rtol=1e-5)
    assert 0 <= accuracy <= 1


def test_saving_twice_writes_the_latest_optimizer(tmp_path):
    make, x, y = WRAPPERS["trades"]
    model = make()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for steps in (1, 2):
        model.train_on_batch(x, y)
        model.save(tmp_path / "base.keras")
        loaded = keras.models.load_model(tmp_path / "base.keras")
        assert int(loaded.optimizer.iterations) == steps


def test_a_base_model_that_is_compiled_keeps_what_it_was_compiled_with(tmp_path):
    base = functional()
    base.compile("sgd", "mse")
    model = AdversarialRegularization(base, adv_config=ADVERSARIAL)
    model.compile("adam", "mae")
    model.save(tmp_path / "base.keras")
    assert keras.models.load_model(tmp_path / "base.keras").loss == "mse"


def test_weights_come_back(trained, tmp_path):
    model, x, y = trained
    model.save_weights(tmp_path / "wrapper.weights.h5")
    before = model.get_weights()
    model.train_on_batch(x, y)
    model.load_weights(tmp_path / "wrapper.weights.h5")
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_loss_of_ones_own(tmp_path):
    def mine(y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_pred), axis=-1)

    model = AdversarialRegularization(functional(), adv_config=ADVERSARIAL)
    model.compile("sgd", mine)
    model.train_on_batch({"x": X, "label": Y})
    model.save(tmp_path / "base.keras")
    loaded = keras.models.load_model(tmp_path / "base.keras", custom_objects={"mine": mine})
    np.testing.assert_allclose(
        loaded.evaluate(X, Y, verbose=0), np.abs(loaded.predict(X, verbose=0)).mean(), rtol=1e-5
    )


def test_metrics_of_ones_own(tmp_path):
    def mine(y_true, y_pred):
        return keras.ops.mean(y_pred, axis=-1)

    class Unregistered(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean(keras.ops.abs(y_pred), axis=-1)

    model = AdversarialRegularization(functional(), adv_config=ADVERSARIAL)
    model.compile("sgd", Unregistered(), metrics=[mine], weighted_metrics=[lambda y, p: p[:, 0]])
    model.train_on_batch({"x": X, "label": Y})
    model.save(tmp_path / "base.keras")
    loaded = keras.models.load_model(tmp_path / "base.keras", compile=False)
    np.testing.assert_allclose(
        loaded.predict(X, verbose=0), model.predict({"x": X}, verbose=0), rtol=1e-6
    )


def test_weights_that_are_frozen_after_training_do_not_stop_a_save(tmp_path):
    model = AdversarialRegularization(functional(), adv_config=ADVERSARIAL)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch({"x": X, "label": Y})
    model.base_model.layers[1].trainable = False
    model.save(tmp_path / "base.keras")
    loaded = keras.models.load_model(tmp_path / "base.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict({"x": X}, verbose=0))


def test_a_model_as_embedding_is_refused(tmp_path):
    base = functional()
    encoder = keras.Model(base.inputs, base.get_layer("hidden").output)
    model = GraphRegularization(base, GRAPH, embedding=encoder)
    with pytest.raises(ValueError, match="Expected embedding as a layer's name"):
        keras.saving.save_model(model, tmp_path / "wrapper.keras")
    model.save(tmp_path / "base.keras")


class TestCallbacks:
    def fit(self, model, folder, epochs, *callbacks):
        return model.fit(
            {"x": X, "label": Y},
            validation_data={"x": X, "label": Y},
            epochs=epochs,
            batch_size=6,
            shuffle=False,
            verbose=0,
            callbacks=[keras.callbacks.BackupAndRestore(str(folder / "backup")), *callbacks],
        )

    def make(self):
        model = AdversarialRegularization(functional(), adv_config=ADVERSARIAL)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    def test_a_killed_fit_goes_on_where_it_was(self, tmp_path):
        class Kill(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == 2:
                    raise KeyboardInterrupt

        whole = self.make()
        self.fit(whole, tmp_path / "whole", 4)
        with pytest.raises(KeyboardInterrupt):
            self.fit(self.make(), tmp_path, 4, Kill())
        resumed = self.make()
        history = self.fit(resumed, tmp_path, 4)
        assert history.epoch == [2, 3]
        for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)

    def test_checkpoints_hold_the_best_base_model(self, tmp_path):
        model = self.make()
        path = tmp_path / "best.keras"
        best = keras.callbacks.ModelCheckpoint(path, monitor="val_loss", save_best_only=True)
        self.fit(model, tmp_path, 2, best)
        loaded = keras.models.load_model(path)
        np.testing.assert_array_equal(
            loaded.predict(X, verbose=0), model.predict({"x": X}, verbose=0)
        )


def test_export_writes_the_base_model(tmp_path):
    model = AdversarialRegularization(functional(), adv_config=ADVERSARIAL)
    model.export(str(tmp_path / "served"), verbose=False)
    layer = keras.layers.TFSMLayer(tmp_path / "served", call_endpoint="serve")
    np.testing.assert_allclose(layer(X), model.base_model(X), atol=1e-6)
