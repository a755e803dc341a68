"""Start-up is a user's first impression: what it must not load."""

import subprocess
import sys

import pytest

HEAVY = {"tensorflow", "keras", "tfx", "apache_beam", "ml_metadata", "pyarrow", "pandas", "scipy"}


def loaded_modules(code: str) -> set[str]:
    """Top-level modules that a fresh process has loaded after `code`."""
    report = "import sys; print('loaded', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_package_loads_nothing_but_the_standard_library():
    added = loaded_modules("import nsl_tfx") - loaded_modules("")
    assert added - sys.stdlib_module_names == {"nsl_tfx"}


def test_configs_load_nothing_heavy():
    assert not loaded_modules("import nsl_tfx; nsl_tfx.configs") & HEAVY


@pytest.mark.parametrize("arguments", [[], ["demo"], ["run"], ["doctor"]])
def test_help_loads_nothing_heavy(arguments):
    code = (
        f"import sys; sys.argv = ['nsl-tfx', *{arguments}, '--help']\n"
        "from nsl_tfx.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code"
    )
    assert not loaded_modules(code) & HEAVY
