"""Every setting of the citations pipeline."""

from __future__ import annotations

from nsl_tfx import configs

PIPELINE_NAME = "citations"
NUM_CLASSES = 4
MAX_NEIGHBORS = 10
EPSILON = 0.25
"""How much of words, in all, is written into a paper or taken out under attack."""

TRAIN_STEPS = 300


def graph_import(edges: str) -> configs.GraphImportConfig:
    """Returns how the graph is read.

    Args:
        edges: The file of citations.
    """
    return configs.GraphImportConfig(
        paths=(edges,),
        label_feature="label",
        # A paper that cites itself would be its own neighbor.
        self_loops=configs.SelfLoops.DROP,
        # Citations of papers that nobody has the words of teach nothing.
        dangling=configs.DanglingIds.DROP,
    )


AUGMENTATION = configs.AugmentConfig(
    features=("words",),
    # Papers without a label are neighbors alone. As examples of their own they are nine in ten, and
    # what draws their predictions together outweighs the labels.
    label_feature="label",
    neighbors=configs.GraphNeighborConfig(max_neighbors=MAX_NEIGHBORS),
)

BASELINE = configs.TrainerConfig(
    model_fn="nsl_tfx.pipelines.citations.model.make_model",
    features=("words",),
    batch_size=64,
    # From one validation to the next: a pass over so few examples is over at once.
    steps_per_epoch=50,
    learning_rate=0.005,
)
REGULARIZED = BASELINE.replace(
    graph=configs.make_graph_reg_config(
        max_neighbors=MAX_NEIGHBORS, multiplier=0.1, sum_over_axis=-1
    )
)

GATE = configs.RobustnessConfig(
    features=("words",),
    label_feature="label",
    id_feature="id",
    splits=("test",),
    # A budget for all words together, where the infinity norm would rewrite every one a little.
    norm=configs.NormType.L1,
    epsilon=EPSILON,
    curve=(0.1, 0.5, 1.0, 4.0),
    clip_value_min=0.0,
    clip_value_max=1.0,
    max_accuracy_drop=0.02,
    min_robust_gain=0.0,
)
