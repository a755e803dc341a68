"""Every setting of the library, as frozen dataclasses.

A config is checked when it is made, compares by content, and crosses into a TFX component as one
JSON string:

Example:
    >>> config = SimilarityGraphConfig(embedding_feature="image", num_neighbors=5)
    >>> SimilarityGraphConfig.from_json(config.to_json()) == config
    True
"""

from nsl_tfx.configs.adversarial import (
    DEFAULT_ADVERSARIAL_PARAMS,
    LOGITS_DIVERGENCE,
    AdvNeighborConfig,
    AdvRegConfig,
    AdvTargetConfig,
    AdvTargetType,
    TradesRegConfig,
    VirtualAdvConfig,
    VirtualAdvRegConfig,
    make_adv_reg_config,
    make_trades_reg_config,
    make_virtual_adv_reg_config,
)
from nsl_tfx.configs.attack_suite import (
    PRESETS,
    AttackBudget,
    AttackName,
    AttackPreset,
    AttackSuite,
)
from nsl_tfx.configs.augmentation import AugmentConfig, TieOrder
from nsl_tfx.configs.corruption import SEVERITIES, CorruptionName, EditName, NeighborChange
from nsl_tfx.configs.decay import DecayConfig, DecayType
from nsl_tfx.configs.distance import (
    DEFAULT_DISTANCE_PARAMS,
    DistanceConfig,
    DistanceType,
    Reduction,
    TransformType,
)
from nsl_tfx.configs.graph_builder import GraphBuilderConfig
from nsl_tfx.configs.graph_import import (
    DanglingIds,
    GraphFormat,
    GraphImportConfig,
    InvalidEdges,
    SelfLoops,
)
from nsl_tfx.configs.graph_regularization import (
    NUM_NEIGHBORS_FEATURE,
    GraphNeighborConfig,
    GraphRegConfig,
    make_graph_reg_config,
)
from nsl_tfx.configs.identification import ExistingIds, IdentifyConfig
from nsl_tfx.configs.integration import IntegrationConfig, IntegrationType
from nsl_tfx.configs.norm import NormType
from nsl_tfx.configs.robustness import RobustnessConfig
from nsl_tfx.configs.similarity_graph import (
    EmbeddingModelConfig,
    InvalidExamples,
    SearchMethod,
    Similarity,
    SimilarityGraphConfig,
    Symmetrize,
)
from nsl_tfx.configs.smoothing import SmoothingConfig
from nsl_tfx.configs.training import (
    Direction,
    EarlyStoppingConfig,
    Precision,
    Strategy,
    Task,
    TrainerConfig,
)
from nsl_tfx.configs.tuning import Sampling, SearchRange, TunerConfig, TuningAlgorithm
from nsl_tfx.configs.validation_attack import ValidationAttackConfig

__all__ = [
    "DEFAULT_ADVERSARIAL_PARAMS",
    "DEFAULT_DISTANCE_PARAMS",
    "LOGITS_DIVERGENCE",
    "NUM_NEIGHBORS_FEATURE",
    "PRESETS",
    "SEVERITIES",
    "AdvNeighborConfig",
    "AdvRegConfig",
    "AdvTargetConfig",
    "AdvTargetType",
    "AttackBudget",
    "AttackName",
    "AttackPreset",
    "AttackSuite",
    "AugmentConfig",
    "CorruptionName",
    "DanglingIds",
    "DecayConfig",
    "DecayType",
    "Direction",
    "DistanceConfig",
    "DistanceType",
    "EarlyStoppingConfig",
    "EditName",
    "EmbeddingModelConfig",
    "ExistingIds",
    "GraphBuilderConfig",
    "GraphFormat",
    "GraphImportConfig",
    "GraphNeighborConfig",
    "GraphRegConfig",
    "IdentifyConfig",
    "IntegrationConfig",
    "IntegrationType",
    "InvalidEdges",
    "InvalidExamples",
    "NeighborChange",
    "NormType",
    "Precision",
    "Reduction",
    "RobustnessConfig",
    "Sampling",
    "SearchMethod",
    "SearchRange",
    "SelfLoops",
    "Similarity",
    "SimilarityGraphConfig",
    "SmoothingConfig",
    "Strategy",
    "Symmetrize",
    "Task",
    "TieOrder",
    "TradesRegConfig",
    "TrainerConfig",
    "TransformType",
    "TunerConfig",
    "TuningAlgorithm",
    "ValidationAttackConfig",
    "VirtualAdvConfig",
    "VirtualAdvRegConfig",
    "make_adv_reg_config",
    "make_graph_reg_config",
    "make_trades_reg_config",
    "make_virtual_adv_reg_config",
]
