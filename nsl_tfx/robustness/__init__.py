"""Accuracy under attack, whether its measurement can be trusted, and what follows for a model."""

from nsl_tfx.robustness.evaluation import evaluate
from nsl_tfx.robustness.models.keras_model import from_keras
from nsl_tfx.robustness.models.model import ModelUnderTest, UnusableModelError, load_model
from nsl_tfx.robustness.paired import PairedDifference, compare_paired, mcnemar_exact
from nsl_tfx.robustness.result import (
    AttackScore,
    CertifiedPoint,
    Check,
    Comparison,
    CurvePoint,
    Fragile,
    ModelScores,
    NeighborScore,
    Point,
    Proportion,
    RobustnessResult,
    Rows,
    SeverityCurve,
    SliceScore,
    Verdict,
)

__all__ = [
    "AttackScore",
    "CertifiedPoint",
    "Check",
    "Comparison",
    "CurvePoint",
    "Fragile",
    "ModelScores",
    "ModelUnderTest",
    "NeighborScore",
    "PairedDifference",
    "Point",
    "Proportion",
    "RobustnessResult",
    "Rows",
    "SeverityCurve",
    "SliceScore",
    "UnusableModelError",
    "Verdict",
    "compare_paired",
    "evaluate",
    "from_keras",
    "load_model",
    "mcnemar_exact",
]
