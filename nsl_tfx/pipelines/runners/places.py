"""Where a run reads and writes, looked at before time is spent on it."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import ml_metadata
from ml_metadata import errors
from ml_metadata.proto import metadata_store_pb2 as pb
from tfx import v1 as tfx

from nsl_tfx import metadata
from nsl_tfx.io.folders import check_no_pattern, is_remote

_SQLITE = "tfx.orchestration.metadata.sqlite_metadata_connection_config('metadata.sqlite')"


def check_places(pipeline: tfx.dsl.Pipeline) -> None:
    """Makes a pipeline's folders where they are missing, and tries to write there.

    Raises:
        ValueError: The pipeline names no folder or no metadata, or a folder cannot be written to.
    """
    root = root_of(pipeline)
    if not root:
        raise ValueError("Expected a pipeline with a pipeline_root. Name a folder for artifacts.")
    _check_folder(root, "pipeline_root")
    connection = pipeline.metadata_connection_config
    if connection is None:
        raise ValueError(
            "Expected a pipeline with a metadata_connection_config, since a run on this machine "
            f"keeps its own. Pass, for example, {_SQLITE}."
        )
    file = sqlite_file(connection)
    if file is not None:
        _check_folder(os.path.dirname(file) or ".", "folder of the metadata")


def check_metadata(connection: Any) -> None:
    """Makes the metadata where they are missing, and tries to open them.

    To be called by one run at a time: what another one is just making looks like something else.

    Raises:
        ValueError: They cannot be opened, or are something else.
    """
    file = sqlite_file(connection)
    if file is not None:
        _check_file(file)
    connect(connection)


def root_of(pipeline: tfx.dsl.Pipeline) -> str:
    """Returns the folder of a pipeline's artifacts, "" where it has none that is known already."""
    root = pipeline.pipeline_info.pipeline_root
    return root if isinstance(root, str) else ""


def sqlite_file(connection: Any) -> str | None:
    """Returns the file of a metadata connection; None where it is something else, such as MySQL."""
    if isinstance(connection, pb.ConnectionConfig) and connection.HasField("sqlite"):
        return connection.sqlite.filename_uri
    return None


def connect(connection: Any) -> ml_metadata.MetadataStore:
    """Opens the metadata to write to; a file that is missing is made.

    Raises:
        ValueError: It is no metadata of a version that is known here, or cannot be reached.
    """
    try:
        return ml_metadata.MetadataStore(connection)
    except (errors.StatusError, RuntimeError) as error:
        where = sqlite_file(connection) or "the database that the pipeline names"
        raise ValueError(
            f"Expected ML Metadata, of this version, in {where}. It says: "
            f"{str(error).splitlines()[0].rstrip('.')}. Name another one in "
            "metadata_connection_config."
        ) from error


def _check_folder(folder: str, argument: str) -> None:
    if is_remote(folder):
        return
    path = os.path.abspath(folder)
    check_no_pattern(path, argument)
    try:
        os.makedirs(path, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            # Room for a block: an empty file fits on a disk that is full.
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        raise ValueError(
            f"Expected a {argument} that can be written to. Received: {path!r} ({error.strerror})."
        ) from error


def _check_file(file: str) -> None:
    if not os.path.lexists(file):
        return
    try:
        with open(file, "r+b"):
            pass
    except OSError as error:
        raise ValueError(
            f"Expected a metadata file that can be written to. Received: {file!r} "
            f"({error.strerror})."
        ) from error
    # ML Metadata itself would add its tables to whatever database there is.
    if os.path.getsize(file):
        metadata.open_store(file)
