"""Broken environments, one thing at a time, and what is said of each."""

import json
import os
import signal
import subprocess

import pytest
from click.testing import CliRunner

from nsl_tfx import doctor
from nsl_tfx.cli import main
from nsl_tfx.doctor import Finding, Level, imports, machine, optional, packages, settings

GIB = machine.GIB
ASKED = ["tfx<1.22,>=1.16", "click>=8.1", 'kfp; extra == "kfp"', 'old; python_version < "3"']


def installed(**versions):
    return {name.replace("_", "-"): version for name, version in versions.items()}.get


@pytest.mark.parametrize(
    ("version", "required", "level"),
    [
        ("3.10.0", ">=3.10", "ok"),
        ("3.13.0rc1", ">=3.10", "ok"),
        ("3.9.20", ">=3.10", "wrong"),
        ("3.14.0", ">=3.10,<3.14", "wrong"),
        ("3.12.1", "", "ok"),
    ],
)
def test_python(version, required, level):
    assert packages.check_python(version, required).level == level


class TestRequirements:
    def test_all_there(self):
        (found,) = packages.check_requirements(ASKED, installed(tfx="1.21.0", click="8.1"))
        assert (found.level, found.found) == (Level.OK, "all 2: tfx 1.21.0")

    @pytest.mark.parametrize(
        ("versions", "told", "cure"),
        [
            ({"click": "8.1"}, ("tfx", "not installed"), 'pip install "tfx<1.22,>=1.16"'),
            ({"tfx": "1.15.1", "click": "9"}, ("tfx", "1.15.1"), 'pip install "tfx<1.22,>=1.16"'),
            ({"tfx": "1.16.0", "click": "8.0.9"}, ("click", "8.0.9"), 'pip install "click>=8.1"'),
        ],
    )
    def test_what_is_missing_or_of_another_version(self, versions, told, cure):
        (found,) = packages.check_requirements(ASKED, installed(**versions))
        assert found.level is Level.WRONG
        assert (found.name, found.found, found.cure) == (*told, cure)

    def test_each_is_told(self):
        assert len(packages.check_requirements(ASKED, installed())) == 2

    def test_the_package_itself_is_not_installed(self):
        (found,) = packages.check_requirements([], installed())
        assert found.level is Level.WRONG
        assert packages.requirements_of("no-such-package") == []
        assert packages.installed_version("no-such-package") is None


class TestProtobuf:
    REQUIRES = {  # noqa: RUF012
        "tensorflow": ["protobuf<5,>=3.20.3", "numpy"],
        "tfx": ["protobuf<6; python_version < '3'", "protobuf>=3.20"],
    }

    def check(self, version, **versions):
        def requires(name):
            return self.REQUIRES.get(name, [])

        return packages.check_protobuf(requires, installed(protobuf=version, **versions))

    def test_it_fits(self):
        assert self.check("4.25.1").level is Level.OK

    def test_it_is_too_new_for_one(self):
        found = self.check("6.31.0", tensorflow="2.16.2")
        assert found.level is Level.WRONG
        assert found.found == "6.31.0, which tensorflow 2.16.2 cannot work with"
        assert found.cure in (
            'pip install "protobuf<5,>=3.20.3"',
            'pip install "protobuf>=3.20.3,<5"',
        )

    def test_it_is_missing(self):
        assert self.check(None).level is Level.WRONG


class TestKerasBackend:
    @pytest.mark.parametrize(
        ("variable", "file", "level", "words"),
        [
            (None, None, "ok", "tensorflow, by default"),
            ("tensorflow", {"backend": "jax"}, "ok", "by KERAS_BACKEND"),
            (None, {"backend": "tensorflow"}, "ok", "keras.json"),
            (None, {}, "ok", "tensorflow"),
            ("torch", None, "wrong", "torch, by KERAS_BACKEND"),
            (None, {"backend": "jax"}, "wrong", "jax, by "),
            (None, [], "wrong", "cannot be read"),
        ],
    )
    @pytest.mark.parametrize("place", ["HOME", "KERAS_HOME"])
    def test_it_is_asked_as_keras_does(self, tmp_path, variable, file, level, words, place):
        folder = tmp_path if place == "KERAS_HOME" else tmp_path / ".keras"
        folder.mkdir(exist_ok=True)
        if file is not None:
            (folder / "keras.json").write_text(json.dumps(file))
        variables = {place: str(tmp_path)}
        if variable:
            variables["KERAS_BACKEND"] = variable
        found = settings.check_keras_backend(variables)
        assert found.level == level
        assert words in found.found
        assert bool(found.cure) == (level != "ok")


@pytest.mark.parametrize(("value", "level"), [(None, "ok"), ("0", "ok"), ("1", "warn")])
def test_legacy_keras(value, level):
    variables = {} if value is None else {"TF_USE_LEGACY_KERAS": value}
    assert settings.check_legacy_keras(variables).level == level


def test_protobuf_in_python_is_told():
    name = "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"
    assert settings.check_protobuf_implementation({name: "upb"}) is None
    assert settings.check_protobuf_implementation({name: "python"}).level is Level.WARN


def test_beams_default_runner_has_its_cure():
    found = settings.check_beam("2.77.0")
    assert "--runner=FnApiRunner" in found.cure
    assert "--sdk_container_image=local" in found.cure
    assert settings.check_beam(None).level is Level.WRONG


class TestMachine:
    @pytest.mark.parametrize(
        ("free", "level"), [(5 * GIB, "ok"), (GIB, "warn"), (GIB // 100, "wrong"), (0, "wrong")]
    )
    def test_disk(self, free, level):
        found = machine.check_disk("disk", ".", lambda folder: free)
        assert found.level == level
        assert f"{free / GIB:.1f} GiB free at {os.getcwd()}" == found.found

    @pytest.mark.parametrize(
        ("total", "level"), [(8 * GIB, "ok"), (2 * GIB, "warn"), (GIB // 2, "wrong")]
    )
    def test_memory(self, total, level):
        assert machine.check_memory(total).level == level

    def test_a_containers_limit_counts(self, tmp_path):
        whole = machine.memory_limit(limits=())
        assert whole > GIB // 2
        for text, limit in (("max", whole), ("1048576\n", 1 << 20), ("9" * 19, whole)):
            (tmp_path / "limit").write_text(text)
            assert machine.memory_limit((f"{tmp_path}/none", f"{tmp_path}/limit")) == limit

    def test_cores(self):
        assert machine.check_cores(1).level is Level.WARN
        assert machine.check_cores(2).level is Level.OK

    def test_a_folder_that_can_be_written_to(self, tmp_path):
        assert machine.check_folder(str(tmp_path)).level is Level.OK
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["missing", "/proc/self/task"])
    def test_a_folder_that_cannot(self, tmp_path, name):
        found = machine.check_folder(str(tmp_path / name))
        assert found.level is Level.WRONG
        assert "cannot be written to" in found.found


class TestOptional:
    @pytest.mark.parametrize("python", [(3, 10), (3, 13)])
    def test_kfp(self, python):
        assert optional.check_kfp(installed(kfp="2.5.0"), python).level is Level.OK
        found = optional.check_kfp(installed(), python)
        assert found.level is Level.MISSING
        assert ("nsl-tfx[kfp]" in found.cure) == (python == (3, 10))

    def test_what_the_demo_reads(self):
        assert optional.check_demo({"scikit-learn": "1.5"}.get).level is Level.OK
        assert optional.check_demo({}.get).level is Level.MISSING

    def test_java_is_asked_for_its_version(self):
        def version(program):
            return f'openjdk version "17.0.15" 2025-04-15 of {program}'

        found = optional.check_java({"java": "/usr/bin/java"}.get, {}, version)
        assert (found.level, found.found) == (Level.OK, "17.0.15 (/usr/bin/java)")

    def test_java_is_looked_for_in_its_home(self):
        found = optional.check_java({"/j/bin/java": "/j/bin/java"}.get, {"JAVA_HOME": "/j"}, str)
        assert found.found.endswith("(/j/bin/java)")
        found = optional.check_java({"java": "/usr/bin/java"}.get, {"JAVA_HOME": "/j"}, str)
        assert found.level is Level.MISSING

    def test_java_that_is_not_there(self):
        assert optional.check_java({}.get, {}).level is Level.MISSING

    def test_java_that_does_not_run(self):
        def fail(program):
            raise subprocess.CalledProcessError(1, program)

        assert "does not run" in optional.check_java({"java": "j"}.get, {}, fail).found

    def test_a_program_is_run(self, tmp_path):
        program = tmp_path / "java"
        program.write_text("#!/bin/sh\necho 'openjdk version \"21\"' >&2\n")
        program.chmod(0o755)
        found = optional.check_java({"java": str(program)}.get, {})
        assert found.found == f"21 ({program})"


class TestImports:
    @pytest.fixture
    def check(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

        def check(source, name="broken", **settings):
            path = tmp_path / f"{name.replace('.', '/')}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)
            return imports.check_imports(("json", name), **settings)

        return check

    def test_all_is_well(self, check):
        assert check("x = 1").level is Level.OK

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ("import no_such_module", "broken does not import: ModuleNotFoundError"),
            ("1 / 0", "ZeroDivisionError: division by zero"),
            ("raise SystemExit(3)", "broken does not import: exit code 3"),
            ("import os; os._exit(0)", "broken does not import: exit code 0"),
            ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "(SIGSEGV)"),
            ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "does not have"),
        ],
    )
    def test_what_breaks_a_new_process(self, check, source, words):
        found = check(source)
        assert found.level is Level.WRONG
        assert words in found.found
        assert found.cure

    def test_a_processor_without_avx_is_no_matter_of_packages(self, check):
        source = f"import os; os.kill(os.getpid(), {signal.SIGILL})"
        assert "AVX" in check(source).cure

    def test_what_never_ends(self, check):
        found = check("import threading; threading.Event().wait()", seconds=0.5)
        assert (found.level, found.found) == (Level.WRONG, "not done after 0 s")

    def test_a_package_that_lies_in_the_present_folder_alone_is_not_found(
        self, tmp_path, monkeypatch
    ):
        (tmp_path / "nsl_tfx_of_mine.py").write_text("")
        monkeypatch.chdir(tmp_path)
        found = imports.check_imports(("nsl_tfx_of_mine",))
        assert found.level is Level.WRONG
        assert "PYTHONPATH" in found.cure


class TestCommand:
    def call(self, monkeypatch, findings, *arguments):
        monkeypatch.setattr(doctor, "examine", lambda quick: findings)
        return CliRunner().invoke(main, ["doctor", *arguments])

    @pytest.mark.parametrize(
        ("levels", "code", "words"),
        [
            (["ok", "ok"], 0, "Pipelines can run here.\n"),
            (["ok", "warn", "missing"], 0, "Pipelines can run here. (1 warn, 1 missing)\n"),
            (["wrong", "missing"], 1, "1 wrong: pipelines do not run here before it is cured.\n"),
        ],
    )
    def test_the_exit_code_tells_whether_pipelines_can_run(self, monkeypatch, levels, code, words):
        findings = [Finding(f"thing {one}", Level(one), "is there", "do") for one in levels]
        result = self.call(monkeypatch, findings, "--quick")
        assert result.exit_code == code
        assert result.output.endswith(words)
        for one in levels:
            assert f"\n{one} " in f"\n{result.output}"

    def test_what_is_found_is_not_taken_for_markup(self, monkeypatch):
        result = self.call(monkeypatch, [Finding("x", Level.WRONG, "[red]", 'pip "a[b]"')])
        assert "[red]" in result.output
        assert 'pip "a[b]"' in result.output

    def test_json(self, monkeypatch):
        finding = Finding("Python", Level.WRONG, "3.9", "3.10")
        result = self.call(monkeypatch, [finding], "--json")
        assert result.exit_code == 1
        assert json.loads(result.stdout) == [
            {"name": "Python", "level": "wrong", "found": "3.9", "cure": "3.10"}
        ]


def test_here_nothing_is_wrong_at_a_quick_look():
    names = [one.name for one in doctor.examine(quick=True)]
    assert "imports" not in names
    assert len(names) == len(set(names)) >= 14


@pytest.mark.tfx
@pytest.mark.slow
def test_here_nothing_is_wrong():
    found = {one.name: one for one in doctor.examine()}
    assert found["imports"].level is Level.OK, found["imports"]
    # Room and memory are the machine's.
    for name in ("Python", "packages", "protobuf", "Keras's backend"):
        assert found[name].level is Level.OK, found[name]
