"""What became of a node in a run."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any


class NodeState(str, enum.Enum):
    """What a node does, or what became of it."""

    PENDING = "pending"
    RUNNING = "running"
    CACHED = "cached"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclasses.dataclass(frozen=True)
class NodeRecord:
    """A node in a run.

    Attributes:
        state: What it does, or what became of it.
        seconds: How long it took; None while it has not ended.
        note: Why it was skipped, what it failed of, that it found nothing; else empty.

    Example:
        >>> NodeRecord(NodeState.CACHED, 0.5).to_json()
        {'state': 'cached', 'seconds': 0.5, 'note': ''}
    """

    state: NodeState = NodeState.PENDING
    seconds: float | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns what `json.dump` takes."""
        return {"state": self.state.value, "seconds": self.seconds, "note": self.note}
