"""How a run that does not end well ends; without TFX, so that commands can tell at once."""

from __future__ import annotations


class NodeFailedError(RuntimeError):
    """A node of the pipeline failed; its cause is the exception that the node raised.

    Attributes:
        node: The node's id.
    """

    def __init__(self, node: str, cause: str) -> None:
        super().__init__(f"{node} failed. {cause}")
        self.node = node


class BusyError(RuntimeError):
    """Another run is at work with the same metadata."""
