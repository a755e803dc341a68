import pytest

from nsl_tfx.trainer.epochs import Epochs, plan_epochs


@pytest.mark.parametrize(
    ("changes", "train_steps", "rows", "expected"),
    [
        ({"epochs": 3}, None, 40, Epochs(3, 4, 12)),
        ({"epochs": 3}, None, 41, Epochs(3, 5, 15)),
        ({"epochs": 3}, None, 10, Epochs(3, 1, 3)),
        ({"epochs": 3, "steps_per_epoch": 7}, None, None, Epochs(3, 7, 21)),
        ({"epochs": 3, "steps_per_epoch": 7}, 0, None, Epochs(3, 7, 21)),
        ({}, 12, 40, Epochs(3, 4, 12)),
        ({}, 13, 40, Epochs(4, 4, 13)),
        ({}, 2, 40, Epochs(1, 2, 2)),
        ({"steps_per_epoch": 5}, 12, None, Epochs(3, 5, 12)),
    ],
)
def test_epochs_are_passes_unless_said_otherwise(config, changes, train_steps, rows, expected):
    assert plan_epochs(config.replace(**changes), train_steps, rows) == expected


@pytest.mark.parametrize(("epochs", "train_steps"), [(None, None), (None, 0), (None, -1), (3, 10)])
def test_one_thing_says_how_long(config, epochs, train_steps):
    with pytest.raises(ValueError, match=r"either TrainerConfig.epochs=.* or .*num_steps"):
        plan_epochs(config.replace(epochs=epochs), train_steps, 40)


def test_a_batch_is_no_more_than_a_pass(config):
    with pytest.raises(ValueError, match=r"batch_size of at most the 9 examples.*batch_size=10"):
        plan_epochs(config.replace(epochs=1), None, 9)
