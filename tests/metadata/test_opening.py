import hashlib
import os
import sqlite3
import sys

import pytest

from nsl_tfx.metadata import open_store
from tests.metadata.stores import Writer, write_run


def change(path, statement):
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()


def make_text(path):
    path.write_text("no database " * 100)


def make_cut(path, original):
    path.write_bytes(original.read_bytes()[:5000])


def make_foreign(path):
    change(path, "CREATE TABLE someones (thing INT)")


def test_a_file_and_the_folder_that_holds_it_are_read_alike(path):
    by_file, by_folder = (open_store(one) for one in (path, path.parent))
    assert by_file.get_executions() == by_folder.get_executions() != []


def test_reading_changes_nothing(copied):
    before = hashlib.sha256(copied.read_bytes()).hexdigest()
    open_store(copied).get_artifacts()
    assert hashlib.sha256(copied.read_bytes()).hexdigest() == before
    assert os.listdir(copied.parent) == ["metadata.sqlite"]


def test_nothing_can_be_written(copied):
    from ml_metadata.proto import metadata_store_pb2 as pb

    with pytest.raises(Exception, match="readonly"):
        open_store(copied).put_artifact_type(pb.ArtifactType(name="New"))


def test_a_missing_file_is_named_and_not_made(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.sqlite', which does not exist"):
        open_store(tmp_path / "no.sqlite")
    with pytest.raises(FileNotFoundError, match=r"the folder .*, which has none"):
        open_store(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_text, "which is of another kind"),
        (lambda path: path.touch(), "which is of another kind"),
        (make_foreign, "which holds none. Is it the one"),
    ],
)
def test_what_is_no_metadata_is_told(tmp_path, make, message):
    path = tmp_path / "some.sqlite"
    make(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        open_store(path)
    assert path.read_bytes() == before


def test_a_cut_file_is_told(path, tmp_path):
    make_cut(tmp_path / "cut.sqlite", path)
    with pytest.raises(ValueError, match="Expected a whole SQLite file"):
        open_store(tmp_path / "cut.sqlite")


@pytest.mark.parametrize(("version", "cure"), [(5, "a copy"), (99, "Install the release")])
def test_another_schema_is_told_with_its_cure(copied, version, cure):
    change(copied, f"UPDATE MLMDEnv SET schema_version = {version}")
    with pytest.raises(ValueError, match=rf"schema version {version}\. {cure}|{cure}") as caught:
        open_store(copied)
    assert f"of schema version {version}. " in str(caught.value)


def test_a_file_that_may_not_be_read_is_told(copied, monkeypatch):
    # Not by its mode, which root passes over.
    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(copied))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError, match="Ask its owner"):
        open_store(copied)


def test_a_file_that_is_being_written_is_told(copied):
    database = sqlite3.connect(copied)
    database.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ValueError, match="wait for it to end"):
        open_store(copied)
    database.close()
    assert open_store(copied).get_executions()


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("postgres://me:secret@host/data", "Expected a SQLite file, mysql://"),
        ("mysql://me:secret@host", "Expected mysql://user"),
        ("mysql://host/database", "Expected mysql://user"),
        ("grpc://", "Received no host"),
        ("grpc://host:99999", "a port from 1 to 65535"),
        ("grpc://host:word", "a port from 1 to 65535"),
        ("mysql://me:sec@ret@host:0x/data", "a port from 1 to 65535"),
    ],
)
def test_an_address_of_another_form_is_told_without_its_password(uri, message):
    with pytest.raises(ValueError, match=message) as caught:
        open_store(uri)
    assert "sec" not in str(caught.value).replace("user[:password]", "")


@pytest.mark.parametrize("uri", ["grpc://127.0.0.1:1", "mysql://me:secret@127.0.0.1:1/metadata"])
def test_a_server_that_does_not_answer_is_told(uri):
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:1.*refused.*Look at host") as caught:
        open_store(uri)
    assert "secret" not in str(caught.value)


def test_mysql_without_its_client_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(ImportError, match=r"nsl-tfx\[mysql\]"):
        open_store("mysql://me@host/metadata")


def test_a_grpc_server_tells_what_the_file_does(path, grpc_server):
    assert open_store(grpc_server).get_executions() == open_store(path).get_executions()


def test_a_server_of_something_else_is_told(other_server):
    with pytest.raises(ConnectionError, match="Received another answer"):
        open_store(other_server)


def test_mysql_tells_what_was_written_there(mysql):
    made = write_run(Writer(mysql.config("full")))
    store = open_store(mysql.uri("full"))
    assert {one.id for one in store.get_artifacts()} == {one.id for one in made.values()}


def test_a_mysql_database_without_metadata_is_told_and_left_alone(mysql):
    mysql.config("bare")
    with pytest.raises(ValueError, match="which holds none"):
        open_store(mysql.uri("bare"))
    assert mysql.tables("bare") == []


@pytest.mark.parametrize(
    ("database", "password", "message"),
    [("full", "wrong", "Access denied"), ("nowhere", None, "Unknown database|Access denied")],
)
def test_mysql_refuses_in_words(mysql, database, password, message):
    with pytest.raises(ConnectionError, match=message) as caught:
        open_store(mysql.uri(database, password))
    assert mysql.password not in str(caught.value)
