"""Which attacks an evaluation runs, and how much each may ask the model."""

from __future__ import annotations

import dataclasses

from nsl_tfx.configs.base import Choice, Config, bounded
from nsl_tfx.configs.norm import NormType


class AttackName(Choice):
    """An attack that RobustnessEvaluator knows by name.

    `NOISE` draws points of the ball, first extreme ones and then as many evenly, and uses no
    gradient: a gradient attack that it beats is a broken one. `FGSM` is one gradient step, `PGD`
    many, `MIM` many along their average. `APGD_CE`, `APGD_DLR` and `APGD_T` choose the length of
    their steps by themselves; the last two see through a model that is only very sure, and
    `APGD_T`, which tries one target after the other, is the strongest.

    The rest need no gradient either. `SQUARE` searches at random among the model's scores; in the
    infinity norm alone. `SPSA` and `NES` estimate gradients from scores, of random directions.
    `RAYS`, in the infinity norm, and `HOP_SKIP_JUMP`, in that and in L2, see nothing but the class.
    """

    NOISE = "noise"
    FGSM = "fgsm"
    PGD = "pgd"
    MIM = "mim"
    APGD_CE = "apgd_ce"
    APGD_DLR = "apgd_dlr"
    APGD_T = "apgd_t"
    SQUARE = "square"
    SPSA = "spsa"
    NES = "nes"
    RAYS = "rays"
    HOP_SKIP_JUMP = "hop_skip_jump"


NORMS = {
    AttackName.SQUARE: (NormType.INFINITY,),
    AttackName.RAYS: (NormType.INFINITY,),
    AttackName.HOP_SKIP_JUMP: (NormType.INFINITY, NormType.L2),
}
"""The norms that an attack knows, where these are not all."""


ITERATIVE = frozenset(
    {
        AttackName.PGD,
        AttackName.MIM,
        AttackName.APGD_CE,
        AttackName.APGD_DLR,
        AttackName.APGD_T,
    }
)
"""Those that take gradient steps."""


class AttackPreset(Choice):
    """Attacks that go together, with their budget.

    `FAST` is for a first look, `STANDARD` for a verdict, and `THOROUGH` for a figure to publish.
    """

    FAST = "fast"
    STANDARD = "standard"
    THOROUGH = "thorough"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AttackBudget(Config):
    """How hard each attack tries. The defaults are those of the preset `standard`.

    Attributes:
        noise_draws: Random points that the noise attack tries for each example: half of them
            extreme points of the ball, such as a cube's corners, the others from all of it, evenly.
        steps: Gradient steps of PGD and MIM.
        relative_step_size: Length of their step, as a share of epsilon; when None, `2.5 / steps`
            for PGD and `1 / steps` for MIM.
        restarts: Random starts of PGD, besides the start at the example itself.
        apgd_steps: Gradient steps of APGD from each start.
        apgd_restarts: Random starts of APGD, besides the start at the example itself.
        apgd_targets: How many other classes APGD_T tries to reach, the likeliest first.
        square_queries: How often the square attack asks the model about each example.
        spsa_steps: Steps of SPSA, of 129 calls of the model each.
        nes_steps: Steps of NES, of 51 calls of the model each.
        rays_queries: How often RayS asks the model about each example.
        hop_skip_jump_walks: Walks along the boundary, of some 1,800 calls of the model each.

    Example:
        >>> AttackBudget(steps=20).replace(restarts=1).to_dict()["steps"]
        20
    """

    noise_draws: int = bounded(20, ge=1, unit="random points")
    steps: int = bounded(40, ge=1, unit="gradient steps")
    relative_step_size: float | None = bounded(None, gt=0, unit="share of epsilon")
    restarts: int = bounded(5, ge=0, unit="random starts")
    apgd_steps: int = bounded(100, ge=1, unit="gradient steps")
    apgd_restarts: int = bounded(0, ge=0, unit="random starts")
    apgd_targets: int = bounded(9, ge=1, unit="classes")
    square_queries: int = bounded(5000, ge=2, unit="calls of the model")
    spsa_steps: int = bounded(100, ge=1, unit="steps")
    nes_steps: int = bounded(100, ge=1, unit="steps")
    rays_queries: int = bounded(5000, ge=2, unit="calls of the model")
    hop_skip_jump_walks: int = bounded(2, ge=1, unit="walks")


@dataclasses.dataclass(frozen=True)
class AttackSuite:
    """Some attacks and their budget."""

    names: tuple[AttackName, ...]
    budget: AttackBudget = AttackBudget()


PRESETS = {
    AttackPreset.FAST: AttackSuite(
        (AttackName.NOISE, AttackName.FGSM, AttackName.PGD, AttackName.APGD_DLR),
        AttackBudget(restarts=1, apgd_steps=50),
    ),
    AttackPreset.STANDARD: AttackSuite(
        (
            AttackName.NOISE,
            AttackName.FGSM,
            AttackName.PGD,
            AttackName.APGD_CE,
            AttackName.APGD_T,
            AttackName.SQUARE,
        ),
    ),
    AttackPreset.THOROUGH: AttackSuite(
        tuple(AttackName),
        AttackBudget(noise_draws=1000, restarts=20, apgd_restarts=4, square_queries=20_000),
    ),
}
"""What each preset stands for."""
