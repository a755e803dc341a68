"""Classifies digits with a pushed model and TensorFlow alone: `serve.py MODEL EXAMPLES COUNT`.

Run as a script. It forbids itself the package that trained the model, as a serving host would lack
it.
"""

import json
import sys

sys.modules["nsl_tfx"] = None  # type: ignore[assignment]  # Makes any import of it fail.

import tensorflow as tf  # noqa: E402


def main(model: str, examples: str, count: str) -> None:
    """Prints the predicted and the true classes as one line of JSON."""
    files = sorted(tf.io.gfile.glob(f"{examples}/*"))
    records = list(tf.data.TFRecordDataset(files, "GZIP").take(int(count)).as_numpy_iterator())
    serve = tf.saved_model.load(model).signatures["serving_default"]
    probabilities = serve(examples=tf.constant(records))["probabilities"]
    labels = [
        tf.train.Example.FromString(record).features.feature["label"].int64_list.value[0]
        for record in records
    ]
    predicted = tf.argmax(probabilities, axis=-1).numpy().tolist()
    print(json.dumps({"predicted": predicted, "label": labels}))


if __name__ == "__main__":
    main(*sys.argv[1:])
