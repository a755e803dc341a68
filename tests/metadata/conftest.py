import concurrent.futures
import os
import shutil
import socket
import subprocess
import urllib.parse

import grpc
import pytest
import tenacity
from ml_metadata.proto import metadata_store_pb2 as pb
from ml_metadata.proto import metadata_store_service_pb2, metadata_store_service_pb2_grpc

from nsl_tfx.metadata import open_store
from tests.metadata.stores import Writer, write_run

# Debian keeps servers where only root looks.
PROGRAMS = f"{os.environ['PATH']}:/usr/sbin"
RUNS = [f"2026-01-0{day}T00:00:00.000001" for day in (1, 2, 3)]


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """The file of two pipelines and a notebook, and what the three runs of one of them made."""
    path = tmp_path_factory.mktemp("store") / "metadata.sqlite"
    writer = Writer(path)
    first = write_run(writer, run=RUNS[0], edges=10, robust=0.5)
    kept = {name: first[name] for name in ("examples", "graph")}
    second = write_run(writer, run=RUNS[1], data=kept, blessed=0, robust=0.25)
    third = write_run(writer, run=RUNS[2], edges=12, until="RobustnessEvaluator", state="failed")
    writer.execute("other.one", "by hand", "Node.with.points", {}, {})
    notebook = Writer(path, interactive=True)
    table = notebook.artifact("Examples", split_names='["train"]')
    notebook.execute("notebook", "t1", "CsvExampleGen", {}, {"examples": table})
    notebook.execute("notebook", "t2", "StatisticsGen", {"examples": table}, {}, "failed")
    notebook.execute("notebook", "t3", "StatisticsGen", {"examples": table}, {})
    # Closed, as after the runs.
    del writer, notebook
    return path, (first, second, third)


@pytest.fixture
def path(written):
    return written[0]


@pytest.fixture
def made(written):
    return written[1]


@pytest.fixture
def store(path):
    return open_store(path)


@pytest.fixture
def copied(path, tmp_path):
    return shutil.copy(path, tmp_path / "metadata.sqlite")


@pytest.fixture
def grpc_server(path):
    """The address of a real gRPC server of ML Metadata over the file.

    Its release has no program of a server for Python, so this passes each call on to the library,
    which understands the same messages.
    """
    store = open_store(path)

    class Passing(metadata_store_service_pb2_grpc.MetadataStoreServiceServicer):
        pass

    service = metadata_store_service_pb2.DESCRIPTOR.services_by_name["MetadataStoreService"]
    for method in service.methods:
        answer = getattr(metadata_store_service_pb2, method.output_type.name)

        def call(self, request, context, name=method.name, answer=answer):
            response = answer()
            store._call_method(name, request, response)
            return response

        setattr(Passing, method.name, call)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    metadata_store_service_pb2_grpc.add_MetadataStoreServiceServicer_to_server(Passing(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"grpc://127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture
def other_server():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"grpc://127.0.0.1:{port}"
    server.stop(None)


class MySQL:
    """A real server with a user, in a folder of its own."""

    password = "p@ss/word"

    def __init__(self, port):
        self.port = port

    def _do(self, *statements):
        pymysql = pytest.importorskip("pymysql")
        with (
            pymysql.connect(
                host="127.0.0.1", port=self.port, user="me", password=self.password
            ) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
            return [one for (one,) in cursor.fetchall()]

    def wait(self, process, log):
        """Returns when the server answers."""

        @tenacity.retry(
            stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.2), reraise=True
        )
        def ask():
            assert process.poll() is None, log.read_text()[-2000:]
            self._do("SELECT 1")

        ask()

    def tables(self, database):
        return self._do(f"SHOW TABLES IN {database}")

    def config(self, database):
        self._do(f"CREATE DATABASE IF NOT EXISTS {database}")
        config = pb.ConnectionConfig()
        for name, value in {
            "host": "127.0.0.1", "port": self.port, "user": "me", "password": self.password,
            "database": database,
        }.items():  # fmt: skip
            setattr(config.mysql, name, value)
        return config

    def uri(self, database, password=None):
        quoted = urllib.parse.quote(password or self.password, safe="")
        return f"mysql://me:{quoted}@127.0.0.1:{self.port}/{database}"


@pytest.fixture(scope="session")
def mysql(tmp_path_factory):
    programs = [shutil.which(one, path=PROGRAMS) for one in ("mariadb-install-db", "mariadbd")]
    if not all(programs):
        pytest.skip("needs MariaDB's server: apt-get install mariadb-server")
    folder = tmp_path_factory.mktemp("mysql")
    install, serve = programs
    account = ["--user=root"] if os.getuid() == 0 else []
    subprocess.run(
        [install, "--no-defaults", *account, f"--datadir={folder}/data", "--skip-test-db"],
        check=True,
        capture_output=True,
    )
    start = folder / "start.sql"
    start.write_text(
        f"CREATE USER 'me'@'127.0.0.1' IDENTIFIED BY '{MySQL.password}';\n"
        "GRANT ALL ON *.* TO 'me'@'127.0.0.1';\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [serve, "--no-defaults", *account, f"--datadir={folder}/data", f"--port={port}",
             "--bind-address=127.0.0.1", f"--socket={folder}/socket", f"--init-file={start}",
             f"--pid-file={folder}/pid", "--skip-name-resolve"],
            stdout=log, stderr=log,
        )  # fmt: skip
    server = MySQL(port)
    try:
        server.wait(process, folder / "log")
        yield server
    finally:
        process.terminate()
        process.wait()
