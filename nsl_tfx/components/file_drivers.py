"""Drivers that look at files before TFX looks for a cached result.

Of a path in a config TFX sees the name alone: a result would be reused after its files changed.
"""

from __future__ import annotations

import abc
from typing import Any

from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types_utils
from tfx.orchestration.portable import base_driver as portable_driver
from tfx.proto.orchestration import driver_output_pb2
from tfx.types.component_spec import ExecutionParameter

FILES = "files"
FILES_PARAMETER = {FILES: ExecutionParameter(type=str, optional=True)}
"""What the spec of a component with such a driver declares beside the others."""


# A component wants a driver of the one class, and the orchestrator that runs it one of the other.
class FilesDriver(base_driver.BaseDriver, portable_driver.BaseDriver, abc.ABC):
    """Puts a hash of files among a node's properties.

    The pipeline was made earlier, maybe before another node wrote them.
    """

    @staticmethod
    @abc.abstractmethod
    def fingerprint(config: str) -> str | None:
        """Returns a hash of the files that a config names, as they are now; None for none.

        Args:
            config: The component's config as JSON.
        """

    def run(self, execution_info: Any) -> driver_output_pb2.DriverOutput:
        """Returns the properties that the execution has, with the files' hash of this moment."""
        properties = dict(execution_info.exec_properties)
        files = self.fingerprint(properties["config"])
        if files is not None:
            properties[FILES] = files
        output = driver_output_pb2.DriverOutput()
        for name, value in properties.items():
            data_types_utils.set_metadata_value(output.exec_properties[name], value)
        return output
