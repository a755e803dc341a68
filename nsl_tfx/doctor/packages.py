"""Whether Python and the packages are those that the package asks for, and fit each other."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from nsl_tfx.doctor.findings import Finding, Level

DISTRIBUTION = "nsl-tfx"
# Each brings generated code, which works only with the protobuf that it was generated for.
WITH_PROTOBUF = (
    "tensorflow",
    "tfx",
    "ml-metadata",
    "tfx-bsl",
    "tensorflow-metadata",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "tensorflow-transform",
    "apache-beam",
    "kfp",
    "kfp-pipeline-spec",
)
_SHOWN = ("tfx", "tensorflow", "keras", "apache-beam")

Installed = Callable[[str], "str | None"]
"""Name of a package to its version; None where it is not installed."""


def installed_version(name: str) -> str | None:
    """Returns the version of an installed package; None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def requirements_of(name: str) -> list[str]:
    """Returns what an installed package asks for, extras included; nothing where it is not."""
    try:
        return importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []


def python_required() -> str:
    """Returns which versions of Python the package asks for; "" where it is not installed."""
    try:
        return importlib.metadata.metadata(DISTRIBUTION)["Requires-Python"] or ""
    except importlib.metadata.PackageNotFoundError:
        return ""


def check_python(version: str, required: str) -> Finding:
    """Compares the version of Python with what is asked for.

    Example:
        >>> check_python("3.9.2", ">=3.10").level.value
        'wrong'
    """
    if SpecifierSet(required).contains(version, prereleases=True):
        return Finding("Python", Level.OK, version)
    return Finding("Python", Level.WRONG, version, f"Make an environment with Python {required}.")


def check_requirements(requirements: Iterable[str], installed: Installed) -> list[Finding]:
    """Compares the installed packages with what is asked for.

    Args:
        requirements: As in setup.py; those of extras are passed over.
        installed: Tells which version of a package is there.

    Returns:
        A finding for each package that is missing or of another version, or one that all are there.
    """
    asked = [one for one in map(Requirement, requirements) if _applies(one)]
    if not asked:
        return [
            Finding(
                "packages",
                Level.WRONG,
                f"{DISTRIBUTION} is not installed here",
                f"pip install {DISTRIBUTION}",
            )
        ]
    wrong = [one for one in asked if not _fits(one, installed(one.name))]
    if not wrong:
        shown = (f"{name} {installed(name)}" for name in _SHOWN if installed(name))
        return [Finding("packages", Level.OK, f"all {len(asked)}: {', '.join(shown)}")]
    return [
        Finding(
            one.name,
            Level.WRONG,
            installed(one.name) or "not installed",
            f'pip install "{one.name}{one.specifier}"',
        )
        for one in wrong
    ]


def check_protobuf(requires: Callable[[str], list[str]], installed: Installed) -> Finding:
    """Compares protobuf with what each package that has generated code asks for.

    Args:
        requires: Name of a package to what it asks for.
        installed: Tells which version of a package is there.
    """
    version = installed("protobuf")
    if version is None:
        return Finding("protobuf", Level.WRONG, "not installed", "pip install protobuf")
    against: dict[str, SpecifierSet] = {}
    for name in WITH_PROTOBUF:
        for one in map(Requirement, requires(name)):
            if one.name == "protobuf" and _applies(one) and not _fits(one, version):
                against[name] = one.specifier
    if not against:
        return Finding("protobuf", Level.OK, version)
    wanted = SpecifierSet(",".join(str(specifier) for specifier in against.values()))
    names = ", ".join(f"{name} {installed(name)}" for name in against)
    return Finding(
        "protobuf",
        Level.WRONG,
        f"{version}, which {names} cannot work with",
        f'pip install "protobuf{wanted}"',
    )


def _applies(requirement: Requirement) -> bool:
    """Tells whether a requirement holds here, without any extra."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})


def _fits(requirement: Requirement, version: str | None) -> bool:
    return version is not None and requirement.specifier.contains(version, prereleases=True)
