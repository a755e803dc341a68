"""Trainings and what they left, in this process or in processes of their own."""

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import tensorflow as tf

from nsl_tfx import configs, trainer

ROOT = Path(__file__).parents[2]
TERMS = {
    "graph": configs.make_graph_reg_config(max_neighbors=1, multiplier=0.1, sum_over_axis=-1),
    "adversarial": configs.make_adv_reg_config(adv_step_size=0.05),
    "virtual_adversarial": configs.make_virtual_adv_reg_config(0.1),
    "trades": configs.make_trades_reg_config(0.1, steps=2),
}


def history(log_dir):
    """Returns the logs of each epoch."""
    with open(Path(log_dir) / "history.csv") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def weights_of(config, data, log_dir, **kwargs):
    return trainer.train(config, data, str(log_dir), **kwargs).get_weights()


def undrawn(shape, *args, **kwargs):
    """Stands in for a normal distribution's draws, with what is the same in each row and run."""
    return tf.ones(shape, kwargs.get("dtype", tf.float32))


def start(script, settings, **environment):
    """Starts a script that finds its settings as JSON in `sys.argv[1]`."""
    return subprocess.Popen(
        [sys.executable, "-c", script, json.dumps(settings)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(script, settings, **environment):
    """Runs such a script to its end, and returns the last line that it printed."""
    process = start(script, settings, **environment)
    output, error = process.communicate()
    assert process.returncode == 0, error[-3000:]
    return output.splitlines()[-1]


def run_workers(script, settings, environments):
    """Runs a script as several workers that know of each other, to their ends.

    Args:
        script: Finds its settings as JSON in `sys.argv[1]`.
        settings: Those of each worker, the chief's first.
        environments: What the environment of each holds beside.
    """
    addresses = [f"localhost:{port}" for port in free_ports(len(settings))]
    workers = []
    for index, (own, environment) in enumerate(zip(settings, environments, strict=True)):
        cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        workers.append(start(script, own, TF_CONFIG=json.dumps(cluster), **environment))
    try:
        ends = [worker.communicate() for worker in workers]
    finally:
        # One that still waits for another that failed.
        for worker in workers:
            worker.kill()
    for worker, (_, error) in zip(workers, ends, strict=True):
        assert worker.returncode == 0, error[-3000:]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
