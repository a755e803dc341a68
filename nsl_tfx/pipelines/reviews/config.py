"""Every setting of the reviews pipeline."""

from __future__ import annotations

from nsl_tfx import configs

PIPELINE_NAME = "reviews"
NUM_NEIGHBORS = 5
EPSILON = 0.1
"""How far a sentence's words, a vector of length 1, are moved under attack."""

TRAIN_STEPS = 300

BUCKETS = 512
"""Size of the vector that a sentence becomes; words that share a place are one to the model."""

# Sentences come without an id; equal ones stay examples of their own.
IDENTIFICATION = configs.IdentifyConfig(prefix="review-")

# Names no label_feature to report agreement of: -1, for no label, would count as a class.
GRAPH = configs.SimilarityGraphConfig(
    embedding_feature="words",
    num_neighbors=NUM_NEIGHBORS,
    # A sentence without a word is like no other.
    invalid_examples=configs.InvalidExamples.DROP,
)
AUGMENTATION = configs.AugmentConfig(
    features=("words",),
    # Sentences without a label are neighbors alone. As examples of their own they are seven in
    # eight, and what draws their predictions together outweighs the labels.
    label_feature="label",
    no_label=-1,
    neighbors=configs.GraphNeighborConfig(max_neighbors=NUM_NEIGHBORS),
)

BASELINE = configs.TrainerConfig(
    model_fn="nsl_tfx.pipelines.reviews.model.make_model",
    features=("words",),
    batch_size=64,
    # From one validation to the next: a pass over so few examples is over at once.
    steps_per_epoch=50,
    learning_rate=0.005,
)
REGULARIZED = BASELINE.replace(
    graph=configs.make_graph_reg_config(
        max_neighbors=NUM_NEIGHBORS, multiplier=0.1, sum_over_axis=-1
    ),
    # Farther than the gate's attacker, whose many steps find more than this one.
    adversarial=configs.make_adv_reg_config(
        multiplier=1.0, adv_step_size=2 * EPSILON, adv_grad_norm="l2"
    ),
)

GATE = configs.RobustnessConfig(
    features=("words",),
    label_feature="label",
    id_feature="id",
    splits=("test",),
    norm=configs.NormType.L2,
    epsilon=EPSILON,
    curve=(0.05, 0.2, 0.4, 0.8),
    # Words that are lost on the way.
    corruptions=(configs.CorruptionName.MISSING,),
    min_accuracy=0.6,
    max_accuracy_drop=0.02,
    min_robust_gain=0.0,
)
