"""Every setting of the digits pipeline."""

from __future__ import annotations

from nsl_tfx import configs

PIPELINE_NAME = "digits"
NUM_NEIGHBORS = 5
EPSILON = 0.1
"""How far a pixel, from 0 to 1, is moved in training and under attack."""

TRAIN_STEPS = 600

GRAPH = configs.SimilarityGraphConfig(
    embedding_feature="image", label_feature="label", num_neighbors=NUM_NEIGHBORS
)
AUGMENTATION = configs.AugmentConfig(
    features=("image",),
    neighbors=configs.GraphNeighborConfig(max_neighbors=NUM_NEIGHBORS),
)

BASELINE = configs.TrainerConfig(
    model_fn="nsl_tfx.pipelines.digits.model.make_model",
    features=("image",),
)
REGULARIZED = BASELINE.replace(
    graph=configs.make_graph_reg_config(
        max_neighbors=NUM_NEIGHBORS, multiplier=1.0, sum_over_axis=-1
    ),
    adversarial=configs.make_adv_reg_config(
        multiplier=1.0,
        adv_step_size=EPSILON,
        adv_grad_norm="infinity",
        clip_value_min=0.0,
        clip_value_max=1.0,
    ),
)

GATE = configs.RobustnessConfig(
    features=("image",),
    label_feature="label",
    id_feature="id",
    splits=("test",),
    epsilon=EPSILON,
    curve=(0.025, 0.05, 0.15, 0.2, 0.3),
    attacks=configs.AttackPreset.STANDARD,
    corruptions=(
        configs.CorruptionName.GAUSSIAN_NOISE,
        configs.CorruptionName.OCCLUSION,
        configs.CorruptionName.SHIFT,
    ),
    slices=("label",),
    clip_value_min=0.0,
    clip_value_max=1.0,
    min_accuracy=0.85,
    max_accuracy_drop=0.02,
    min_robust_gain=0.0,
)
