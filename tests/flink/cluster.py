"""A Flink cluster on this machine: job manager, task managers, Beam's job server."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FLINK = ROOT / ".uv/flink"
HOST = "127.0.0.1"
# Of starting processes on a machine that does much besides.
START_SECONDS = 180
_JAVA_PACKAGES = (
    "java.base/java.lang",
    "java.base/java.lang.reflect",
    "java.base/java.net",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/sun.net.util",
)


def missing() -> str | None:
    """Says what a cluster lacks here; None where it lacks nothing."""
    if shutil.which("java") is None:
        return "no java on the path; install a Java 11 or 17 runtime"
    if not (FLINK / "complete").exists():
        return "no Flink in .uv/flink; run `make flink`"
    return None


class Cluster:
    """A standalone Flink session with a slot for each task manager; ends with its context.

    All of it listens on this machine alone, and Python workers are children of the task managers.

    Args:
        folder: For configuration, logs and scratch files.
        task_managers: How many there are to begin with.
    """

    def __init__(self, folder: Path, task_managers: int = 2) -> None:
        self._folder = folder
        self._count = task_managers
        self._started = 0
        self._rpc, self._rest, self._job, self._artifacts, self._expansion = free_ports(5)
        self._processes = contextlib.ExitStack()
        self.task_managers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Cluster:
        try:
            self._start()
        except BaseException:
            self._processes.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.close()

    def _start(self) -> None:
        for name in ("conf", "log", "scratch", "artifacts"):
            (self._folder / name).mkdir(parents=True)
        (self._folder / "conf/config.yaml").write_text(self._settings())
        (self._folder / "conf/log4j.properties").write_text(_LOG4J)
        # What the package installs as nsl-tfx-beam-worker, of this checkout and Python.
        worker = self._folder / "worker"
        worker.write_text(_WORKER.format(folder=self._folder, python=sys.executable, root=ROOT))
        worker.chmod(0o755)
        entry = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
        self._java("job-manager", 256, entry, *self._configured())
        wait_until(lambda: listens(self._rest), "a job manager")
        self.restore(self._count)
        self._java(
            "job-server",
            512,
            "org.apache.beam.runners.flink.FlinkJobServerDriver",
            f"--job-host={HOST}",
            f"--job-port={self._job}",
            f"--artifact-port={self._artifacts}",
            f"--expansion-port={self._expansion}",
            f"--artifacts-dir={self._folder}/artifacts",
            f"--flink-master={HOST}:{self._rest}",
        )
        wait_until(lambda: listens(self._job), "Beam's job server")

    def add_task_manager(self) -> None:
        """Starts one more; returns at once."""
        entry = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
        self._started += 1
        name = f"task-manager-{self._started}"
        self.task_managers.append(self._java(name, 512, entry, *self._configured()))

    def restore(self, task_managers: int) -> None:
        """Returns once so many task managers are there, and no job runs."""
        self.task_managers = [one for one in self.task_managers if one.poll() is None]
        while len(self.task_managers) < task_managers:
            self.add_task_manager()
        wait_until(lambda: self.slots() == task_managers, f"{task_managers} slots")
        wait_until(lambda: not self.running_jobs(), "no job that runs")

    def running_jobs(self) -> list[str]:
        """Returns the ids of the jobs that have not ended."""
        ended = ("FINISHED", "FAILED", "CANCELED")
        return [
            job["jid"] for job in self.ask("jobs/overview")["jobs"] if job["state"] not in ended
        ]

    def workers(self) -> dict[int, int]:
        """Returns the process of each Python worker there was, with that of its task manager."""
        lines = (self._folder / "workers").read_text().splitlines()
        return {int(worker): int(parent) for worker, parent in map(str.split, lines)}

    def slots(self) -> int:
        """Returns how many slots there are."""
        with contextlib.suppress(OSError):
            return int(self.ask("overview")["slots-total"])
        return 0

    def ask(self, what: str) -> Any:
        """Returns what the job manager answers."""
        with urllib.request.urlopen(f"http://{HOST}:{self._rest}/{what}", timeout=10) as answer:
            return json.load(answer)

    def beam_args(self, parallelism: int) -> list[str]:
        """Returns the options with which Beam runs a pipeline here."""
        return [
            "--runner=FlinkRunner",
            f"--job_endpoint={HOST}:{self._job}",
            f"--parallelism={parallelism}",
            "--environment_type=PROCESS",
            # Else a worker ends with each of a job's stages, and its successor imports anew.
            "--environment_cache_millis=60000",
            "--environment_config=" + json.dumps({"command": str(self._folder / "worker")}),
        ]

    def log(self, name: str) -> str:
        """Returns what a process printed."""
        return (self._folder / "log" / name).read_text(errors="replace")

    def _configured(self) -> tuple[str, str]:
        return "--configDir", str(self._folder / "conf")

    def _settings(self) -> str:
        settings = {
            "jobmanager.rpc.address": HOST,
            "jobmanager.bind-host": HOST,
            "jobmanager.rpc.port": self._rpc,
            "rest.address": HOST,
            "rest.bind-address": HOST,
            "rest.port": self._rest,
            "taskmanager.host": HOST,
            "taskmanager.bind-host": HOST,
            "taskmanager.rpc.port": 0,
            "taskmanager.numberOfTaskSlots": 1,
            "taskmanager.cpu.cores": 1.0,
            "taskmanager.memory.framework.heap.size": "128m",
            "taskmanager.memory.framework.off-heap.size": "64m",
            "taskmanager.memory.task.heap.size": "256m",
            "taskmanager.memory.task.off-heap.size": "0m",
            "taskmanager.memory.network.min": "256m",
            "taskmanager.memory.network.max": "256m",
            # Of the hundred exchanges of a job, several sort at a time.
            "taskmanager.network.sort-shuffle.min-buffers": 64,
            "taskmanager.memory.managed.size": "256m",
            "taskmanager.memory.jvm-metaspace.size": "256m",
            "taskmanager.memory.jvm-overhead.min": "128m",
            "taskmanager.memory.jvm-overhead.max": "128m",
            "io.tmp.dirs": self._folder / "scratch",
            # All jobs take Beam from Flink's folder: workers outlive a stage only there.
            "classloader.resolve-order": "parent-first",
            # A killed task manager is noticed soon.
            "heartbeat.interval": 1000,
            "heartbeat.timeout": 10000,
            "slot.request.timeout": 20000,
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": 2,
            "restart-strategy.fixed-delay.delay": "1 s",
        }
        return "".join(f"{key}: {value}\n" for key, value in settings.items())

    def _java(
        self, name: str, heap_mb: int, entry: str, *arguments: str
    ) -> subprocess.Popen[bytes]:
        opened = [f"--add-opens={package}=ALL-UNNAMED" for package in _JAVA_PACKAGES]
        log4j = f"-Dlog4j.configurationFile={self._folder}/conf/log4j.properties"
        options = [f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", *opened, log4j]
        command = ["java", *options, "-cp", f"{FLINK}/lib/*", entry, *arguments]
        return self._processes.enter_context(running(command, self._folder / "log" / name))


_WORKER = """#!/bin/sh
echo $$ $PPID >>'{folder}/workers'
export PYTHONPATH='{root}'
exec '{python}' -c 'from nsl_tfx.beam_worker import main; main()' "$@"
"""
_LOG4J = """
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %-5p %c{1} - %m%n
"""


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a process, and ends it and what it started when the block or this process ends."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_ports(count: int) -> list[int]:
    """Returns ports that nobody listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [int(one.getsockname()[1]) for one in sockets]


def listens(port: int) -> bool:
    """Tells whether somebody listens at a port."""
    with socket.socket() as one:
        return one.connect_ex((HOST, port)) == 0


def wait_until(condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Returns once a condition holds.

    Raises:
        TimeoutError: It does not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Expected {what} within {seconds:.0f} s. Received: none.")
        time.sleep(0.1)
