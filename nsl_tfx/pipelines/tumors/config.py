"""Every setting of the tumors pipeline."""

from __future__ import annotations

from nsl_tfx import configs

PIPELINE_NAME = "tumors"
COLUMNS = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave_points",
    "symmetry",
    "fractal_dimension",
)
EPSILON = 0.2
"""How far a measurement may be wrong, in standard deviations of its column."""

LARGEST = 4.0
"""Where transforming.py cuts measurements off, likewise."""

TRAIN_STEPS = 300

BASELINE = configs.TrainerConfig(
    model_fn="nsl_tfx.pipelines.tumors.model.make_model",
    features=COLUMNS,
    batch_size=64,
    # From one validation to the next: a pass over so few examples is over at once.
    steps_per_epoch=50,
    learning_rate=0.003,
)
REGULARIZED = BASELINE.replace(
    adversarial=configs.make_adv_reg_config(
        multiplier=1.0,
        adv_step_size=EPSILON,
        adv_grad_norm="infinity",
        clip_value_min=-LARGEST,
        clip_value_max=LARGEST,
    )
)

GATE = configs.RobustnessConfig(
    features=COLUMNS,
    label_feature="label",
    id_feature="id",
    splits=("test",),
    epsilon=EPSILON,
    curve=(0.1, 0.4, 0.8, 2.0),
    # A tumor's size is measured twice as well as what its outline looks like.
    feature_scale={"radius": 0.5, "perimeter": 0.5, "area": 0.5},
    clip_value_min=-LARGEST,
    clip_value_max=LARGEST,
    # Measurements that are lost at random, and the one whose loss misleads the model most.
    corruptions=(configs.CorruptionName.MISSING,),
    edits=(configs.EditName.MISSING,),
    min_accuracy=0.8,
    min_robust_accuracy=0.7,
    min_corrupted_accuracy=0.7,
    min_edited_accuracy=0.7,
    max_accuracy_drop=0.02,
    min_robust_gain=0.0,
)
