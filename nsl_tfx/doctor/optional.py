"""Parts that only some commands need."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping

from nsl_tfx.doctor.findings import Finding, Level
from nsl_tfx.doctor.packages import Installed

_KFP_BELOW = (3, 12)
_JAVA_SECONDS = 30


def check_kfp(installed: Installed, python: tuple[int, int]) -> Finding:
    """Asks for what `nsl-tfx compile` needs.

    Args:
        installed: Tells which version of a package is there.
        python: Major and minor version.
    """
    version = installed("kfp")
    if version is not None:
        return Finding("kfp", Level.OK, version)
    cure = 'pip install "nsl-tfx[kfp]"'
    if python >= _KFP_BELOW:
        cure = "Compile in an environment with Python 3.10 or 3.11; what it writes fits any other"
    return Finding("kfp", Level.MISSING, "not installed; nsl-tfx compile needs it", cure)


def check_demo(installed: Installed) -> Finding:
    """Asks for what `nsl-tfx demo` takes its images from.

    Args:
        installed: Tells which version of a package is there.
    """
    version = installed("scikit-learn")
    if version is not None:
        return Finding("scikit-learn", Level.OK, version)
    return Finding(
        "scikit-learn",
        Level.MISSING,
        "not installed; nsl-tfx demo takes its images from it",
        'pip install "nsl-tfx[demo]"',
    )


def check_java(
    which: Callable[[str], str | None],
    variables: Mapping[str, str],
    version_of: Callable[[str], str] | None = None,
) -> Finding:
    """Asks for Java, which Beam's job servers for Flink and Spark need.

    Args:
        which: Finds a program.
        variables: The environment's.
        version_of: Program to what it says of its version; None asks it.
    """
    home = variables.get("JAVA_HOME")
    program = which(f"{home}/bin/java" if home else "java")
    if program is None:
        where = f"not in JAVA_HOME={home}" if home else "not found"
        return Finding(
            "Java",
            Level.MISSING,
            f"{where}; Beam's runners for Flink and Spark need it",
            "Install a Java runtime, 11 or 17, such as the package openjdk-17-jre-headless",
        )
    try:
        said = (version_of or _java_version)(program)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(
            "Java", Level.MISSING, f"{program} does not run ({error})", "Install it anew."
        )
    number = re.search(r'"([^"]+)"', said)
    return Finding("Java", Level.OK, f"{number.group(1) if number else said} ({program})")


def _java_version(program: str) -> str:
    done = subprocess.run(
        [program, "-version"], capture_output=True, text=True, timeout=_JAVA_SECONDS, check=True
    )
    return done.stderr.splitlines()[0] if done.stderr else done.stdout
