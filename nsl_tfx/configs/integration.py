"""How an example's own representation and its neighbors' become one.

NSL declares these settings and never reads them; they are kept for programs that hold them.
"""

from __future__ import annotations

import dataclasses

from nsl_tfx.configs.base import Choice, Config


class IntegrationType(Choice):
    """How two representations are combined."""

    ADD = "additive"
    MUL = "multiplicative"
    TUCKER_DECOMP = "tucker_decomp"


@dataclasses.dataclass(frozen=True, eq=False)
class IntegrationConfig(Config):
    """How two representations are combined.

    Attributes:
        integration_type: The operation.
        hidden_dims: Width of the combination, or of each hidden layer.
        activation_fn: Name of a Keras activation.
    """

    integration_type: IntegrationType
    hidden_dims: int | tuple[int, ...]
    activation_fn: str = "tanh"
