"""The graph term: what is compared, which features neighbors have, and which rows count."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nsl_tfx import configs
from nsl_tfx.keras import GraphRegularization, RegularizedModel

ROWS, NEIGHBORS, RATE = 6, 2, 0.5
CONFIG = configs.make_graph_reg_config(max_neighbors=NEIGHBORS, multiplier=0.7, sum_over_axis=-1)
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
Y = np.array([0, 2, 1, 1, 0, 2])


def make_x(names=("image",)):
    rng = np.random.default_rng(1)
    x = {name: rng.normal(size=(ROWS, 4)).astype("float32") for name in names}
    for i in range(NEIGHBORS):
        for name in names:
            x[f"NL_nbr_{i}_{name}"] = rng.normal(size=(ROWS, 4)).astype("float32")
        x[f"NL_nbr_{i}_weight"] = rng.uniform(0.1, 1, size=(ROWS, 1)).astype("float32")
    x["NL_nbr_1_weight"][::2] = 0
    return x


def make_base(outputs="one"):
    keras.utils.set_random_seed(0)
    image = keras.Input((4,), name="image")
    hidden = keras.layers.Dense(5, activation="tanh", name="hidden")(image)
    digit = keras.layers.Dense(3, name="digit")(hidden)
    size = keras.layers.Dense(1, name="size")(hidden)
    return keras.Model(image, digit if outputs == "one" else {"digit": digit, "size": size})


def compiled(model, loss=SPARSE, **options):
    model.compile(keras.optimizers.SGD(RATE), loss, **{"run_eagerly": True, **options})
    return model


def edge_by_edge(embed, x, total=0.0):
    """The documented term, as the paper's sum over edges."""
    edges = 0
    own = embed(x["image"])
    for i in range(NEIGHBORS):
        theirs, weights = embed(x[f"NL_nbr_{i}_image"]), x[f"NL_nbr_{i}_weight"][:, 0]
        total += tf.reduce_sum(weights * tf.reduce_sum((own - theirs) ** 2, axis=1))
        edges += np.count_nonzero(weights)
    return total / edges


def step_of(base, term, loss=None):
    """The weights after one step of gradient descent on the loss plus the term."""
    loss = loss or (lambda: SPARSE(Y, base(make_x()["image"])))
    with tf.GradientTape() as tape:
        total = loss() + CONFIG.multiplier * term()
    variables = base.trainable_variables
    gradients = tape.gradient(total, variables)
    steps = [0.0 if g is None else RATE * g for g in gradients]
    return float(total), [v.numpy() - s for v, s in zip(variables, steps, strict=True)]


def assert_step(model, x, y, expected, **kwargs):
    logs = model.train_on_batch(x, y, return_dict=True, **kwargs)
    np.testing.assert_allclose(logs["loss"], expected[0], rtol=1e-5)
    for a, b in zip(model.base_model.trainable_variables, expected[1], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


class TestNsl:
    """What NSL's wrapper does."""

    def test_compares_the_output(self):
        base = make_base()
        expected = step_of(base, lambda: edge_by_edge(base, make_x()))
        assert_step(compiled(GraphRegularization(base, CONFIG)), make_x(), Y, expected)

    def test_names_of_the_logs(self):
        model = compiled(GraphRegularization(make_base(), CONFIG), metrics=["accuracy"])
        validation = ({"image": make_x()["image"]}, Y)
        history = model.fit(make_x(), Y, validation_data=validation, verbose=0).history
        assert sorted(history) == [
            "accuracy",
            "loss",
            "scaled_graph_loss",
            "val_accuracy",
            "val_loss",
        ]

    @pytest.mark.parametrize(
        "config",
        [None, configs.make_graph_reg_config(max_neighbors=2, multiplier=0)],
        ids=["no_neighbors", "multiplier_0"],
    )
    def test_no_term(self, config):
        logs = compiled(GraphRegularization(make_base(), config)).train_on_batch(
            make_x(), Y, return_dict=True
        )
        plain = compiled(make_base()).train_on_batch(make_x()["image"], Y, return_dict=True)
        assert logs == {**plain, "scaled_graph_loss": 0.0}

    def test_evaluation_and_prediction_need_no_neighbors(self):
        model = compiled(GraphRegularization(make_base(), CONFIG))
        alone = {"image": make_x()["image"]}
        found, expected = (model.evaluate(x, Y, verbose=0) for x in (make_x(), alone))
        assert found == expected
        np.testing.assert_array_equal(
            model.predict(make_x(), verbose=0), model.predict(alone, verbose=0)
        )

    def test_example_weights_do_not_reach_the_term(self):
        logs = [
            compiled(GraphRegularization(make_base(), CONFIG)).train_on_batch(
                make_x(), Y, sample_weight=weight, return_dict=True
            )
            for weight in (None, np.full(ROWS, 0.5))
        ]
        assert logs[0]["scaled_graph_loss"] == logs[1]["scaled_graph_loss"]
        assert logs[0]["loss"] != logs[1]["loss"]


class Encoder(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = keras.layers.Dense(5, activation="tanh")
        self.out = keras.layers.Dense(3)

    def encode(self, features):
        return self.hidden(features["image"])

    def call(self, inputs):
        return self.out(self.encode(inputs))


class TestWhatIsCompared:
    def test_a_hidden_layer_by_its_name(self):
        base = make_base()
        hidden = base.get_layer("hidden")
        expected = step_of(base, lambda: edge_by_edge(hidden, make_x()))
        model = compiled(GraphRegularization(base, CONFIG, embedding="hidden"))
        assert_step(model, make_x(), Y, expected)

    def test_a_hidden_layer_of_a_sequential_model(self):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Dense(5, name="hidden"), keras.layers.Dense(3)]
        base = keras.Sequential([keras.Input((4,), name="image"), *layers])
        expected = step_of(base, lambda: edge_by_edge(layers[0], make_x()))
        model = compiled(GraphRegularization(base, CONFIG, embedding="hidden"))
        assert_step(model, make_x(), Y, expected)

    def test_a_method_of_the_model(self):
        base = Encoder()
        features = {"image": make_x()["image"]}
        base(features)
        expected = step_of(
            base,
            lambda: edge_by_edge(lambda image: base.encode({"image": image}), make_x()),
            lambda: SPARSE(Y, base(features)),
        )
        model = compiled(GraphRegularization(base, CONFIG, embedding=base.encode))
        assert_step(model, make_x(), Y, expected)

    def test_another_model(self):
        base = make_base()
        encoder = keras.Model(base.inputs, base.get_layer("hidden").output)
        by_model = compiled(GraphRegularization(base, CONFIG, embedding=encoder))
        by_name = compiled(GraphRegularization(make_base(), CONFIG, embedding="hidden"))
        losses = [
            model.train_on_batch(make_x(), Y, return_dict=True)["scaled_graph_loss"]
            for model in (by_model, by_name)
        ]
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)

    def test_a_layer_that_another_model_called_first(self):
        shared = keras.layers.Dense(5, name="shared")
        x = keras.Input((4,), name="image")
        keras.Model(x, shared(keras.layers.Rescaling(2.0)(x)))
        base = keras.Model(x, keras.layers.Dense(3)(shared(x)))
        logs = compiled(GraphRegularization(base, CONFIG, embedding="shared")).train_on_batch(
            make_x(), Y, return_dict=True
        )
        # The kernel has moved since; a linear layer's distances do not depend on its bias.
        model = compiled(GraphRegularization(base, CONFIG, embedding="shared"))
        expected = CONFIG.multiplier * edge_by_edge(shared, make_x())
        found = model.train_on_batch(make_x(), Y, return_dict=True)["scaled_graph_loss"]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert logs["scaled_graph_loss"] > 0

    def test_a_model_inside_the_model(self):
        inner_x = keras.Input((4,))
        inner = keras.Model(inner_x, keras.layers.Dense(5)(inner_x), name="inner")
        x = keras.Input((4,), name="image")
        base = keras.Model(x, keras.layers.Dense(3)(inner(x)))
        expected = CONFIG.multiplier * edge_by_edge(inner, make_x())
        model = compiled(GraphRegularization(base, CONFIG, embedding="inner"))
        found = model.train_on_batch(make_x(), Y, return_dict=True)["scaled_graph_loss"]
        np.testing.assert_allclose(found, expected, rtol=1e-5)

    def test_all_outputs(self):
        base = make_base("two")
        size = np.ones([ROWS, 1], "float32")
        x = make_x()

        def loss():
            outputs = base(x["image"])
            return SPARSE(Y, outputs["digit"]) + tf.reduce_mean((outputs["size"] - size) ** 2)

        def term():
            return edge_by_edge(lambda image: base(image)["digit"], x) + edge_by_edge(
                lambda image: base(image)["size"], x
            )

        expected = step_of(base, term, loss)
        losses = {"digit": SPARSE, "size": "mse"}
        model = compiled(GraphRegularization(base, CONFIG), losses)
        assert_step(model, x, {"digit": Y, "size": size}, expected)

    def test_sequences(self):
        """Outputs of a higher rank, whose mask Keras carries to the loss."""
        tokens = np.array([[1, 2, 0], [3, 0, 0]])
        x = {"tokens": tokens, "NL_nbr_0_tokens": tokens[::-1], "NL_nbr_0_weight": [[1.0], [1.0]]}
        x["NL_nbr_0_weight"] = np.ones([2, 1], "float32")
        config = configs.make_graph_reg_config(max_neighbors=1, sum_over_axis=-1)
        keras.utils.set_random_seed(0)
        base = keras.Sequential(
            [
                keras.Input((None,), name="tokens", dtype="int64"),
                keras.layers.Embedding(5, 2, mask_zero=True),
                keras.layers.LSTM(3, return_sequences=True),
            ]
        )
        labels = np.ones([2, 3], "int64")
        model = compiled(GraphRegularization(base, config))
        plain = compiled(keras.models.clone_model(base))
        plain.set_weights(base.get_weights())
        logs = model.train_on_batch(x, labels, return_dict=True)
        expected = plain.evaluate(tokens, labels, verbose=0)
        np.testing.assert_allclose(logs["loss"] - logs["scaled_graph_loss"], expected, rtol=1e-5)
        assert logs["scaled_graph_loss"] > 0


class TestFeatures:
    def make_two_input_base(self):
        keras.utils.set_random_seed(0)
        image, context = keras.Input((4,), name="image"), keras.Input((4,), name="context")
        x = keras.layers.Concatenate()([image, context])
        return keras.Model([image, context], keras.layers.Dense(3)(x))

    def test_neighbors_without_a_feature_take_the_examples(self):
        names = ("image", "context")
        x = make_x(names)
        expected = x | {f"NL_nbr_{i}_context": x["context"] for i in range(NEIGHBORS)}
        lacking = {key: value for key, value in x.items() if not key.endswith("_context")}
        logs = [
            compiled(
                GraphRegularization(self.make_two_input_base(), CONFIG, neighbor_features=given)
            ).train_on_batch(data, Y, return_dict=True)
            for given, data in ((None, expected), (("image",), lacking))
        ]
        for name, value in logs[0].items():
            np.testing.assert_allclose(logs[1][name], value, rtol=1e-6)

    def test_a_feature_that_the_model_does_not_take_is_not_asked_of_neighbors(self):
        x = make_x() | {"id": np.array([b"a"] * ROWS), "NL_num_nbrs": np.full([ROWS, 1], 2)}
        logs, plain = (
            compiled(GraphRegularization(make_base(), CONFIG)).train_on_batch(
                data, Y, return_dict=True
            )
            for data in (x, make_x())
        )
        assert logs == plain

    def test_the_callers_dict_stays_as_it_is(self):
        x = make_x()
        keys = list(x)
        compiled(GraphRegularization(make_base(), CONFIG)).train_on_batch(x, Y)
        assert list(x) == keys

    @pytest.mark.parametrize("kind", ["ragged", "sparse"])
    def test_ragged_and_sparse_neighbors(self, kind):
        config = configs.make_graph_reg_config(max_neighbors=1, sum_over_axis=-1)
        own = tf.ragged.constant([[1.0, 2.0], [3.0]])
        theirs = tf.ragged.constant([[4.0], [5.0, 6.0, 7.0]])
        if kind == "sparse":
            own, theirs = own.to_sparse(), theirs.to_sparse()

        class Sum(keras.Model):
            def __init__(self):
                super().__init__()
                self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

            def call(self, inputs):
                total = (
                    tf.sparse.reduce_sum(inputs["words"], axis=1)
                    if kind == "sparse"
                    else tf.reduce_sum(inputs["words"], axis=1)
                )
                return tf.reshape(total, [-1, 1]) * self.scale

        model = compiled(GraphRegularization(Sum(), config), "mse")
        x = {"words": own, "NL_nbr_0_words": theirs, "NL_nbr_0_weight": tf.constant([[1.0], [2.0]])}
        data = tf.data.Dataset.from_tensors((x, tf.zeros([2, 1])))
        history = model.fit(data, verbose=0).history
        # Sums 3, 3 against 4, 18; two edges.
        np.testing.assert_allclose(
            history["scaled_graph_loss"], [0.01 * (1 * 1 + 2 * 225) / 2], rtol=1e-5
        )


class TestUnlabelledSeeds:
    """Bui et al.'s three kinds of edges; a row's label counts only with weight."""

    @pytest.mark.parametrize(
        "labelled", [[1] * ROWS, [1, 0, 0, 1, 0, 0], [0] * ROWS], ids=["all", "some", "none"]
    )
    def test_every_edge_counts(self, labelled):
        weight = np.array(labelled, "float32")
        base = make_base()

        def loss():
            losses = keras.losses.sparse_categorical_crossentropy(
                Y, base(make_x()["image"]), from_logits=True
            )
            return tf.reduce_sum(losses * weight) / ROWS

        expected = step_of(base, lambda: edge_by_edge(base, make_x()), loss)
        model = compiled(GraphRegularization(base, CONFIG))
        assert_step(model, make_x(), Y, expected, sample_weight=weight)


class TestPerturbedNeighbors:
    def loss_with(self, **perturbation):
        attack = configs.AdvNeighborConfig(**perturbation) if perturbation else None
        model = GraphRegularization(make_base(), CONFIG, neighbor_perturbation=attack)
        return compiled(model).train_on_batch(make_x(), Y, return_dict=True)["scaled_graph_loss"]

    def test_they_are_further_away(self):
        plain = self.loss_with()
        one, three = (
            self.loss_with(adv_step_size=0.1, adv_grad_norm="infinity", pgd_iterations=steps)
            for steps in (1, 3)
        )
        assert plain < one < three

    def test_the_first_order_step_is_exact(self):
        """Each neighbor goes along the sign of the distance's gradient by its features."""
        base, x = make_base(), make_x()
        step = 0.1
        images = {i: tf.constant(x[f"NL_nbr_{i}_image"]) for i in range(NEIGHBORS)}
        with tf.GradientTape() as tape:
            tape.watch(images)
            moving = {**x, **{f"NL_nbr_{i}_image": v for i, v in images.items()}}
            distance = edge_by_edge(base, moving)
        slope = tape.gradient(distance, images)
        moved = {f"NL_nbr_{i}_image": images[i] + step * tf.sign(slope[i]) for i in images}
        expected = CONFIG.multiplier * edge_by_edge(base, {**x, **moved})
        found = self.loss_with(adv_step_size=step, adv_grad_norm="infinity")
        np.testing.assert_allclose(found, expected, rtol=1e-5)

    def test_masks_and_bounds(self):
        settings = {"adv_step_size": 0.1, "adv_grad_norm": "infinity"}
        assert self.loss_with(**settings, feature_mask={"image": 0.0}) == self.loss_with()
        inside = self.loss_with(**settings, clip_value_max={"image": 0.0})
        assert inside != self.loss_with(**settings)


class TestMissingNeighbors:
    def mean_after(self, x, **options):
        normalize = keras.layers.BatchNormalization(momentum=0.0)
        keras.utils.set_random_seed(0)
        image = keras.Input((4,), name="image")
        base = keras.Model(image, keras.layers.Dense(3)(normalize(image)))
        model = compiled(GraphRegularization(base, CONFIG), **options)
        model.train_on_batch(x, Y)
        return normalize.moving_mean.numpy()

    def test_batch_normalization_sees_the_neighbors_that_there_are(self):
        x = make_x()
        # What stands in a missing neighbor's place does not matter.
        x["NL_nbr_1_image"][::2] = np.nan
        there = [x["image"], x["NL_nbr_0_image"], x["NL_nbr_1_image"][1::2]]
        np.testing.assert_allclose(
            self.mean_after(x), np.concatenate(there).mean(axis=0), atol=1e-6
        )

    @pytest.mark.slow
    def test_under_xla_the_example_stands_in(self):
        x = make_x()
        x["NL_nbr_1_image"][::2] = np.nan
        seen = [x["image"], x["NL_nbr_0_image"], x["NL_nbr_1_image"][1::2], x["image"][::2]]
        found = self.mean_after(x, jit_compile=True, run_eagerly=False)
        np.testing.assert_allclose(found, np.concatenate(seen).mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_edge_weights_of_any_dtype(dtype):
    x = make_x()
    for i in range(NEIGHBORS):
        x[f"NL_nbr_{i}_weight"] = np.ones([ROWS, 1], dtype if i else "float32")
    logs = compiled(GraphRegularization(make_base(), CONFIG)).train_on_batch(x, Y, return_dict=True)
    assert logs["scaled_graph_loss"] > 0


def test_names_and_values_of_an_evaluation():
    model = compiled(GraphRegularization(make_base(), CONFIG), metrics=["accuracy"])
    model.fit(make_x(), Y, verbose=0)
    values = model.evaluate(make_x(), Y, verbose=0)
    assert [type(value) for value in values] == [float, float]
    named = dict(zip(model.metrics_names, values, strict=False))
    assert named == model.evaluate(make_x(), Y, verbose=0, return_dict=True)
    assert set(named) == {"loss", "accuracy"}
    assert model.base_model.evaluate(make_x()["image"], Y, verbose=0) == pytest.approx(values)


def test_both_terms_in_one_fit():
    adversarial = configs.make_adv_reg_config(multiplier=0.3, adv_step_size=0.1)
    model = compiled(RegularizedModel(make_base(), graph=CONFIG, adversarial=adversarial))
    history = model.fit(make_x(), Y, epochs=3, verbose=0).history
    assert {"scaled_graph_loss", "scaled_adversarial_loss"} < set(history)
    assert history["loss"][-1] < history["loss"][0]
