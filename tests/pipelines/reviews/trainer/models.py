import keras


def make_model(config, context):
    words = context.transform_graph.output.vocabulary_size_by_name("words")
    bag = context.inputs["bag"]
    assert bag.shape[1] >= words
    hidden = keras.layers.Dense(16, activation="relu", name="hidden")(bag)
    return keras.Model(bag, keras.layers.Dense(2)(hidden))
