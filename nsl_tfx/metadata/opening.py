"""Connecting to ML Metadata: a SQLite file, a MySQL database, or a gRPC server."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sqlite3
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from ml_metadata import errors, metadata_store
from ml_metadata.proto import metadata_store_pb2 as pb

_SQLITE_START = b"SQLite format 3\0"
_FILE = "metadata.sqlite"
_FORMS = "a SQLite file, mysql://user[:password]@host[:port]/database or grpc://host:port"
_PORTS = {"mysql": 3306, "grpc": 8080}
_SECONDS_TO_CONNECT = 10
_SECONDS_TO_ANSWER = 120
# gRPC's own 4 MiB hold the metadata of some hundred runs.
_MAX_ANSWER_BYTES = 1 << 30
_TABLE = "MLMDEnv"
_VERSIONS = re.compile(r"version (\d+) is (greater|older) than library version (\d+)")


def open_store(uri: str | os.PathLike[str]) -> metadata_store.MetadataStore:
    """Opens existing metadata for reading; makes and changes nothing.

    Args:
        uri: Path of a SQLite file, or of a folder with a `metadata.sqlite`;
            `mysql://user[:password]@host[:port]/database`, in which characters that an address
            uses itself are written as `%40` and the like, and the password may be left to the
            variable MYSQL_PWD; or `grpc://host:port`.

    Returns:
        The store, for the other functions of this package and for those of its own.

    Raises:
        ConnectionError: No server answers, or it refuses the user.
        FileNotFoundError: There is no such file.
        ImportError: A MySQL database is named, and PyMySQL is not installed.
        PermissionError: The file may not be read.
        ValueError: The address is of another form, what it names holds no ML Metadata, or holds
            that of another version.

    Example:
        >>> open_store("no-such-folder/metadata.sqlite")
        Traceback (most recent call last):
            ...
        FileNotFoundError: Expected the SQLite file that a pipeline wrote its metadata to. ...
    """
    text = os.fspath(uri)
    scheme, mark, _ = text.partition("://")
    if not mark:
        return _open_sqlite(text)
    if scheme not in _PORTS:
        raise ValueError(f"Expected {_FORMS}. Received: {_hidden(text)!r}.")
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname, parts.port or _PORTS[scheme]
    except ValueError as error:
        raise ValueError(
            f"Expected a host, and a port from 1 to 65535. Received: {_hidden(text)!r} ({error})."
        ) from error
    if not host:
        raise ValueError(f"Expected {_FORMS}. Received no host: {_hidden(text)!r}.")
    if scheme == "mysql":
        return _open_mysql(parts, host, port)
    return _open_grpc(host, port)


def _open_sqlite(path: str) -> metadata_store.MetadataStore:
    path = sqlite_file(path)
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"Expected a path in UTF-8, which ML Metadata takes alone. Received: {path!r}. Rename "
            "the file."
        ) from error
    try:
        with open(path, "rb") as file:
            start = file.read(len(_SQLITE_START))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            "Expected the SQLite file that a pipeline wrote its metadata to. Received: "
            f"{path!r}, which does not exist. Is it a path of another machine?"
        ) from error
    except PermissionError as error:
        raise PermissionError(
            f"Expected a SQLite file that may be read. Received: {path!r}. Ask its owner for the "
            "right, or copy it."
        ) from error
    except OSError as error:
        raise ValueError(
            f"Expected a SQLite file. Received: {path!r} ({error.strerror})."
        ) from error
    if start != _SQLITE_START:
        raise ValueError(f"Expected a SQLite file. Received: {path!r}, which is of another kind.")
    _check_tables(path)
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = path
    config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READONLY
    return _connect(config, repr(path))


def sqlite_file(path: str) -> str:
    """Returns the file that a path stands for: its own, or `metadata.sqlite` in a folder.

    Raises:
        FileNotFoundError: The folder has none.
    """
    if not os.path.isdir(path):
        return path
    file = os.path.join(path, _FILE)
    if not os.path.isfile(file):
        raise FileNotFoundError(
            f"Expected a SQLite file, or a folder with one named {_FILE}. Received the folder "
            f"{path!r}, which has none."
        )
    return file


def _check_tables(path: str) -> None:
    # Asked for here, since ML Metadata tells of a foreign database that it cannot write to it.
    query = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
    address = f"{Path(path).absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            ((count,),) = database.execute(query, (_TABLE,))
            is_whole = not count or _is_whole(database)
    except sqlite3.OperationalError as error:
        raise ValueError(
            f"Expected a SQLite file that can be read. Received: {path!r} ({error}). If a run is "
            "writing to it, wait for it to end."
        ) from error
    except sqlite3.DatabaseError as error:
        raise ValueError(
            f"Expected a whole SQLite file. Received: {path!r} ({error}). Restore it from a copy."
        ) from error
    if not count:
        _raise_foreign(repr(path))
    if not is_whole:
        raise ValueError(
            f"Expected whole ML Metadata. Received: {path!r}, where an event names an artifact or "
            "execution that was deleted. Restore it from a copy, or delete the events as well."
        )


def _is_whole(database: sqlite3.Connection) -> bool:
    """Returns whether all that events name is there; ML Metadata ends the process where it is not.

    Nothing but statements on the database itself can have deleted it.
    """
    query = """
        SELECT 1 FROM Event
        WHERE NOT EXISTS (SELECT 1 FROM Artifact WHERE Artifact.id = Event.artifact_id)
        OR NOT EXISTS (SELECT 1 FROM Execution WHERE Execution.id = Event.execution_id)
        LIMIT 1
    """
    try:
        return database.execute(query).fetchone() is None
    except sqlite3.OperationalError:  # a table is missing, which ML Metadata itself tells
        return True


def _raise_foreign(name: str) -> NoReturn:
    raise ValueError(
        f"Expected a database with ML Metadata. Received: {name}, which holds none. Is it the one "
        "that the pipeline's metadata_connection_config names?"
    )


def _open_mysql(
    parts: urllib.parse.SplitResult, host: str, port: int
) -> metadata_store.MetadataStore:
    database = urllib.parse.unquote(parts.path.strip("/"))
    if not database or not parts.username:
        raise ValueError(
            "Expected mysql://user[:password]@host[:port]/database. Received: "
            f"{_hidden(parts.geturl())!r}."
        )
    user = urllib.parse.unquote(parts.username)
    # Of an address others see the password, in the list of processes and a shell's history.
    password = urllib.parse.unquote(parts.password or os.environ.get("MYSQL_PWD", ""))
    name = f"mysql://{user}@{host}:{port}/{database}"
    _check_mysql(host, port, user, password, database, name)
    config = pb.ConnectionConfig()
    # MySQL takes `localhost` for a socket's file, whose place differs between systems.
    config.mysql.host = "127.0.0.1" if host == "localhost" else host
    config.mysql.port = port
    config.mysql.database = database
    config.mysql.user = user
    config.mysql.password = password
    config.mysql.skip_db_creation = True
    return _connect(config, name)


def _check_mysql(host: str, port: int, user: str, password: str, database: str, name: str) -> None:
    """Looks for the tables, which ML Metadata itself would make where they are missing."""
    try:
        import pymysql
    except ModuleNotFoundError as error:
        raise ImportError(
            "Expected PyMySQL, to look into a MySQL database. Install it: "
            'pip install "nsl-tfx[mysql]"'
        ) from error
    try:
        with (
            contextlib.closing(
                pymysql.connect(
                    host=host,
                    port=port,
                    user=user,
                    password=password,
                    database=database,
                    connect_timeout=_SECONDS_TO_CONNECT,
                )
            ) as connection,
            connection.cursor() as cursor,
        ):
            count = cursor.execute("SHOW TABLES LIKE %s", (_TABLE,))
    except pymysql.err.MySQLError as error:
        reason = error.args[-1] if error.args else type(error).__name__
        raise ConnectionError(
            f"Expected a MySQL server that lets the user read. Received: {name} ({reason}). Look "
            "at host, port, user, password and database."
        ) from error
    if not count:
        _raise_foreign(name)


def _open_grpc(host: str, port: int) -> metadata_store.MetadataStore:
    name = f"grpc://{host}:{port}"
    _check_reachable(host, port, name)
    config = pb.MetadataStoreClientConfig(host=host, port=port)
    config.client_timeout_sec = _SECONDS_TO_ANSWER
    config.channel_arguments.max_receive_message_length = _MAX_ANSWER_BYTES
    store = _connect(config, name)
    with _plain_errors(name):
        # Nothing was asked of the server so far.
        store.get_context_types()
    return store


def _check_reachable(host: str, port: int, name: str) -> None:
    # Asked of the system, since gRPC itself keeps trying until the answer's time is over.
    try:
        socket.create_connection((host, port), timeout=_SECONDS_TO_CONNECT).close()
    except OSError as error:
        raise ConnectionError(
            f"Expected a server of ML Metadata at {name}. None answers ({error}). Look at host "
            "and port."
        ) from error


def _connect(
    config: pb.ConnectionConfig | pb.MetadataStoreClientConfig, name: str
) -> metadata_store.MetadataStore:
    with _plain_errors(name):
        return metadata_store.MetadataStore(config)


@contextlib.contextmanager
def _plain_errors(name: str) -> Iterator[None]:
    try:
        yield
    except errors.StatusError as error:
        raise ConnectionError(
            f"Expected a server of ML Metadata at {name}. Received another answer: {error}."
        ) from error
    except RuntimeError as error:
        found = _VERSIONS.search(str(error))
        if found is None:
            raise ValueError(
                f"Expected ML Metadata that can be read. Received: {name} ({error})."
            ) from error
        theirs, relation, ours = found.groups()
        cure = (
            "Install the release of ml-metadata that wrote it, or a later one."
            if relation == "greater"
            else "Bring a copy up to date: metadata_store.MetadataStore(config, "
            "enable_upgrade_migration=True) of ml_metadata does."
        )
        raise ValueError(
            f"Expected ML Metadata of schema version {ours}, which the installed ml-metadata "
            f"knows. Received: {name}, of schema version {theirs}. {cure}"
        ) from error


@contextlib.contextmanager
def plain_queries(uri: str) -> Iterator[None]:
    """Turns what ML Metadata raises of a query that fails after opening into a message with a cure.

    Args:
        uri: As `open_store` takes it.

    Raises:
        ConnectionError: A query fails.
    """
    try:
        yield
    except errors.StatusError as error:
        raise ConnectionError(
            f"Expected ML Metadata that can be read. Received: {_hidden(uri)!r} ({error}). If it "
            "is locked, or its server does not answer, try again; if a part of it is missing, "
            "restore it from a copy."
        ) from error


def _hidden(uri: str) -> str:
    """Returns an address without its password."""
    return re.sub(r"(://[^/:@]*):.*@", r"\1:***@", uri)
