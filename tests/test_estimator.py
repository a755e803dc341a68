import pytest

from nsl_tfx import estimator

INSTEAD = {
    estimator.add_adversarial_regularization: ["keras.AdversarialRegularization", "adv_config="],
    estimator.add_graph_regularization: ["keras.GraphRegularization", "embedding="],
}


@pytest.mark.parametrize("function", INSTEAD, ids=lambda function: function.__name__)
@pytest.mark.parametrize(
    ("arguments", "named"),
    [((), {}), (("an estimator", "a function"), {"optimizer_fn": None, "adv_config": None})],
    ids=["none", "nsls"],
)
def test_the_error_says_why_and_what_instead(function, arguments, named):
    with pytest.raises(NotImplementedError, match=r"tf\.estimator left TensorFlow .* 2\.16") as e:
        function(*arguments, **named)
    for word in INSTEAD[function]:
        assert word in str(e.value)
