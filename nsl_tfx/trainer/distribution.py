"""Training over several devices or machines."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from nsl_tfx.configs import Strategy, TrainerConfig
from nsl_tfx.trainer.passes import Share, check_divisible

_EXAMPLE = (
    '{"cluster": {"worker": ["host-a:2222", "host-b:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


def make_strategy(config: TrainerConfig) -> tf.distribute.Strategy:
    """Returns what the config's `strategy` names.

    Raises:
        RuntimeError: TensorFlow has computed something before, with several workers.
        ValueError: There are no several workers, or some that the config does not speak of, or the
            batch cannot be divided.
    """
    if config.strategy is not Strategy.MULTI_WORKER and _count_workers() > 1:
        raise ValueError(
            f"Expected TrainerConfig.strategy 'multi_worker', since TF_CONFIG names "
            f"{_count_workers()} workers: each would train alone. Received: "
            f"{config.strategy.value!r}. Else unset TF_CONFIG."
        )
    if config.strategy is Strategy.NONE:
        return tf.distribute.get_strategy()
    strategy: tf.distribute.Strategy
    if config.strategy is Strategy.MIRRORED:
        strategy = _mirrored()
    else:
        _check_cluster()
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            raise RuntimeError(
                "Expected no computation of TensorFlow's before training with several workers, in "
                f"a process of its own. {error}."
            ) from error
    check_divisible(config.batch_size, strategy.num_replicas_in_sync, "replicas")
    return strategy


@functools.cache
def _mirrored() -> tf.distribute.Strategy:
    # One for the process: a second one would number its collective operations as the first did.
    return tf.distribute.MirroredStrategy()


def share_of(strategy: tf.distribute.Strategy) -> Share:
    """Returns which part of each batch this process trains on."""
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or resolver is None:
        return Share()
    spec = resolver.cluster_spec().as_dict()
    chiefs = len(spec.get("chief", ()))
    workers = chiefs + len(spec.get("worker", ()))
    index = resolver.task_id + (chiefs if resolver.task_type == "worker" else 0)
    return Share(index, workers) if workers else Share()


def distribute(make_batches: Callable[[Share], tf.data.Dataset], batch_size: int) -> Any:
    """Returns batches as `fit` takes them under the present strategy.

    Args:
        make_batches: Makes this worker's share of each batch.
        batch_size: Examples of one step, over all devices together.
    """
    strategy = tf.distribute.get_strategy()
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return make_batches(Share())
    share = share_of(strategy)

    def make(context: tf.distribute.InputContext) -> tf.data.Dataset:
        del context  # It would have each worker read other files, and so see other batches.
        # Each device of the worker takes a batch of its own.
        return make_batches(share).rebatch(batch_size // strategy.num_replicas_in_sync)

    return strategy.distribute_datasets_from_function(make)


def is_chief() -> bool:
    """Tells whether this process is the one that writes what all share."""
    cluster, kind, index = _cluster()
    if not cluster:
        return True
    return kind == "chief" if "chief" in cluster else index == 0


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns once every worker has come here."""
    if share_of(strategy).count > 1:
        ones = strategy.run(lambda: tf.constant(1.0))
        strategy.reduce(tf.distribute.ReduceOp.SUM, ones, axis=None)


def _count_workers() -> int:
    return sum(map(len, _cluster()[0].values()))


def _check_cluster() -> None:
    if not _count_workers():
        raise ValueError(
            "Expected the environment variable TF_CONFIG to name the workers, for "
            f"TrainerConfig.strategy 'multi_worker', such as {_EXAMPLE}. "
            f"Received: {os.environ.get('TF_CONFIG')!r}. On one machine, use 'mirrored' or 'none'."
        )


def _cluster() -> tuple[dict[str, list[str]], str, int]:
    """Returns the addresses of chief and workers, and which of them this process is.

    Raises:
        ValueError: TF_CONFIG is not what TensorFlow takes, or this process is none of them.
    """
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        config = json.loads(text)
        cluster = config.get("cluster") or {}
        addresses = {kind: cluster[kind] for kind in ("chief", "worker") if cluster.get(kind)}
        if not all(isinstance(found, list) for found in addresses.values()):
            raise TypeError("the workers are no list")
        if not addresses:
            return {}, "worker", 0
        task = config["task"]
        kind, index = str(task["type"]), int(task.get("index", 0))
        if not 0 <= index < len(addresses[kind]):
            raise IndexError(f"there is no {kind} {index}")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "Expected the environment variable TF_CONFIG to name chief and workers, and to say "
            f"which of them this process is, such as {_EXAMPLE}. Received: {text!r} ({error!r})."
        ) from error
    return addresses, kind, index
