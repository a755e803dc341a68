"""requirements/*.txt: complete, hashed, and silent about where packages come from."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def read_requirements(lock: Path) -> dict[str, list[str]]:
    """Maps each requirement, `name==version` with its marker, to its hashes."""
    joined = lock.read_text().replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]
    return {line.split("--hash")[0].strip(): re.findall(r"--hash=(\S+)", line) for line in lines}


def direct_requirements() -> set[str]:
    """The names that setup.py gives, as the locks spell them."""
    return set(re.findall(r'"([a-z0-9-]+)>=\d', (ROOT / "setup.py").read_text()))


def test_every_lock_is_here():
    names = ["attacks-peer", "build", "flink", "peer", "tfx-1.16", "tfx-1.21", "uv"]
    assert [lock.stem for lock in LOCKS] == names


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_requirement_is_pinned_and_hashed(lock):
    requirements = read_requirements(lock)
    assert requirements
    for requirement, hashes in requirements.items():
        assert re.match(r"^[a-z0-9-]+==\S+( ; .+)?$", requirement)
        assert hashes, requirement
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", value) for value in hashes)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_lock_names_an_index_or_a_path(lock):
    assert not re.search(
        r"://|--(extra-)?index|--find-links| @ |file:|/tmp|/home", lock.read_text()
    )


@pytest.mark.parametrize("stack", ["1.16", "1.21"])
def test_stack_is_locked_with_all_that_setup_py_names(stack):
    lock = read_requirements(ROOT / f"requirements/tfx-{stack}.txt")
    locked = dict(requirement.split("==")[:2] for requirement in lock)
    direct = direct_requirements()
    assert {"tfx", "keras", "pytest", "scikit-learn"} <= direct
    assert direct <= set(locked)
    assert locked["tfx"].startswith(f"{stack}.")
