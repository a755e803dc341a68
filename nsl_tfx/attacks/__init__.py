"""Attacks: each finds an input near the given one at which a loss is higher.

An attack is a frozen group of settings that is called with a loss and an input. It knows nothing of
models or labels, so the same one serves training and evaluation.
"""

from nsl_tfx.attacks.apgd import APGD
from nsl_tfx.attacks.attack import Attack, Loss
from nsl_tfx.attacks.fgsm import FGSM
from nsl_tfx.attacks.hop_skip_jump import HopSkipJump
from nsl_tfx.attacks.mim import MIM
from nsl_tfx.attacks.nes import NES
from nsl_tfx.attacks.noise import Noise
from nsl_tfx.attacks.pgd import PGD
from nsl_tfx.attacks.rays import RayS
from nsl_tfx.attacks.spsa import SPSA
from nsl_tfx.attacks.square import Square
from nsl_tfx.attacks.substitution import Candidates, GreedySubstitution
from nsl_tfx.lib.perturbation import Structure

__all__ = [
    "APGD",
    "FGSM",
    "MIM",
    "NES",
    "PGD",
    "SPSA",
    "Attack",
    "Candidates",
    "GreedySubstitution",
    "HopSkipJump",
    "Loss",
    "Noise",
    "RayS",
    "Square",
    "Structure",
]
