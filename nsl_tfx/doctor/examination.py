"""All that is looked at, in the order in which to cure it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile

from nsl_tfx.doctor import imports, machine, optional, packages, settings
from nsl_tfx.doctor.findings import Finding


def examine(folder: str = ".", quick: bool = False) -> list[Finding]:
    """Looks at the machine and the environment.

    Args:
        folder: Where pipelines shall run.
        quick: Leaves out what takes long: importing all in a new process.

    Returns:
        What was found.
    """
    variables, installed = os.environ, packages.installed_version
    found: list[Finding | None] = [
        packages.check_python(platform.python_version(), packages.python_required()),
        *packages.check_requirements(packages.requirements_of(packages.DISTRIBUTION), installed),
        packages.check_protobuf(packages.requirements_of, installed),
        settings.check_protobuf_implementation(variables),
        settings.check_keras_backend(variables),
        settings.check_legacy_keras(variables),
        None if quick else imports.check_imports(),
        settings.check_beam(installed("apache-beam")),
        machine.check_folder(folder),
        machine.check_disk("disk", folder),
        machine.check_disk("temporary files", tempfile.gettempdir()),
        machine.check_memory(machine.memory_limit()),
        machine.check_cores(len(os.sched_getaffinity(0))),
        optional.check_kfp(installed, sys.version_info[:2]),
        optional.check_demo(installed),
        optional.check_java(shutil.which, variables),
    ]
    return [one for one in found if one is not None]
