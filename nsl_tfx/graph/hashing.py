"""Hashes of ids: what stands in for chance wherever a result must not depend on an order.

A generator's numbers depend on who asks first. A hash of an id, a seed and a round gives each node
its own numbers, the same on every worker.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_DIGEST_BYTES = 8


def hash_ids(ids: Iterable[bytes]) -> NDArray[np.uint64]:
    """Returns a 64-bit hash of each id, the same in every process: the start of its BLAKE2b digest.

    Example:
        >>> hash_ids([b"a", b"b"]).tolist()
        [4681665781835383343, 9543904841865449333]
    """
    blake2b = hashlib.blake2b
    digests = b"".join([blake2b(one, digest_size=_DIGEST_BYTES).digest() for one in ids])
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def mix(hashes: NDArray[np.uint64], *salts: int) -> NDArray[np.uint64]:
    """Returns new hashes, unrelated to those given, for every choice of salts.

    Each salt is added and the sum mixed by the finalizer of SplitMix64 (Steele, Lea and Flood,
    "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014), which is one to one: different
    hashes stay different.

    Args:
        hashes: uint64 `[n]`.
        salts: Integers, such as a seed and the number of a round.

    Example:
        >>> hashes = hash_ids([b"a"])
        >>> bool(mix(hashes, 0) == mix(hashes, 1))
        False
    """
    result = hashes.astype(np.uint64, copy=True)
    for salt in salts:
        result += np.uint64((salt * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
        result ^= result >> np.uint64(30)
        result *= np.uint64(0xBF58476D1CE4E5B9)
        result ^= result >> np.uint64(27)
        result *= np.uint64(0x94D049BB133111EB)
        result ^= result >> np.uint64(31)
    return result
