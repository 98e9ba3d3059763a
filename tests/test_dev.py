"""dev.py: what a newcomer's first command promises, tested without a network."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """dev.py at work in an empty checkout of its own."""
    spec = importlib.util.spec_from_file_location("dev_under_test", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("pyproject.toml", "requirements.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "installed.json")
    return module


@pytest.fixture
def install_steps(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps of an installation, written down instead of taken."""
    steps: list[str] = []

    def make_venv() -> None:
        steps.append("venv")
        python = dev.executable("python")
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()

    monkeypatch.setattr(dev, "make_venv", make_venv)
    monkeypatch.setattr(dev, "install_requirements", lambda: steps.append("requirements"))
    monkeypatch.setattr(dev, "install_project", lambda: steps.append("project"))
    return steps


def test_alone_it_lists_every_chore(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main([]) == 0

    listed = capsys.readouterr().out
    assert all(f"  {name}" in listed for name in dev.CHORES)


def test_an_unknown_chore_is_refused_with_those_there_are(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert dev.main(["demmo"]) == 2

    assert "no chore named 'demmo'; there are: demo, test" in capsys.readouterr().err


def test_a_python_that_is_too_old_is_told_so(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "OLDEST_PYTHON", (99, 0))

    assert dev.main(["demo"]) == 2

    assert "needs Python 99.0 or newer" in capsys.readouterr().err


def test_the_second_run_installs_nothing(dev: ModuleType, install_steps: list[str]) -> None:
    dev.ensure_environment()
    assert install_steps == ["venv", "requirements", "project"]

    dev.ensure_environment()

    assert install_steps == ["venv", "requirements", "project"]


def test_a_changed_lock_is_installed_into_the_same_environment(dev: ModuleType, install_steps: list[str]) -> None:
    dev.ensure_environment()
    install_steps.clear()

    dev.LOCK.write_text("nothing==1\n", encoding="utf-8")
    dev.ensure_environment()

    assert install_steps == ["requirements", "project"]


def test_a_changed_pyproject_installs_the_project_alone(dev: ModuleType, install_steps: list[str]) -> None:
    dev.ensure_environment()
    install_steps.clear()

    (dev.ROOT / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    dev.ensure_environment()

    assert install_steps == ["project"]


def test_an_environment_without_its_python_is_made_again(dev: ModuleType, install_steps: list[str]) -> None:
    dev.ensure_environment()
    install_steps.clear()

    dev.executable("python").unlink()
    dev.ensure_environment()

    assert install_steps == ["venv", "requirements", "project"]


@pytest.mark.parametrize("stamp", ["", "{", "[]", '"done"', "\x00"])
def test_a_damaged_stamp_counts_as_none(dev: ModuleType, install_steps: list[str], stamp: str) -> None:
    dev.ensure_environment()

    dev.STAMP.write_text(stamp, encoding="utf-8")

    assert dev.installed() == {}


def test_an_interrupted_installation_is_done_again(
    dev: ModuleType, install_steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dev, "install_requirements", interrupted)
        assert dev.main(["bench"]) == 130
    assert not dev.STAMP.exists()

    install_steps.clear()
    assert dev.main(["bench"]) == 0
    assert install_steps == ["venv", "requirements", "project"]


def test_a_python_without_ensurepip_is_told_what_to_install(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "uv_on_path", lambda: None)
    monkeypatch.setitem(sys.modules, "ensurepip", None)

    assert dev.main(["demo"]) == 1

    assert "sudo apt-get install python3-venv" in capsys.readouterr().err


def test_a_shim_that_leads_nowhere_is_not_taken_for_uv(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "uv"
    shim.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert dev.uv_on_path() is None


def test_uv_is_installed_by_the_hashes_of_the_lock(dev: ModuleType) -> None:
    lines = dev.pinned("uv").splitlines()

    assert lines[0].startswith("uv==")
    assert len(lines) > 1
    assert all(line.startswith("    --hash=sha256:") for line in lines[1:])


def test_children_write_bytecode_and_uv_learns_what_pip_was_told(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "file:///mirror")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)

    env = dev.child_env()

    assert "PYTHONDONTWRITEBYTECODE" not in env
    assert env["UV_DEFAULT_INDEX"] == "file:///mirror"
    assert "UV_DEFAULT_INDEX" not in os.environ


def test_check_runs_every_step_and_fails_if_one_does(
    dev: ModuleType,
    install_steps: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(dev, "timed", lambda command: ("mypy" in map(str, command), 1.0))

    assert dev.main(["check"]) == 1

    summary = [line.split() for line in capsys.readouterr().err.splitlines() if line.endswith("1.0 s")]
    assert [(step, state) for step, state, *_ in summary] == [
        ("format", "ok"),
        ("lint", "ok"),
        ("types", "FAILED"),
        ("imports", "ok"),
        ("tests", "ok"),
    ]


def test_check_can_leave_the_tests_out(
    dev: ModuleType,
    install_steps: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(dev, "timed", lambda _: (False, 1.0))

    assert dev.main(["check", "--no-tests"]) == 0

    assert "tests" not in capsys.readouterr().err


def test_an_unknown_benchmark_is_refused_with_those_there_are(
    dev: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    (dev.ROOT / "benchmarks").mkdir()
    (dev.ROOT / "benchmarks" / "bench_journal.py").touch()

    assert dev.main(["bench", "jurnal"]) == 1

    assert "no benchmark named 'jurnal'; there are: journal" in capsys.readouterr().err


def test_every_locked_package_has_a_version_and_a_hash_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    packages = [line for line in lock.splitlines() if line and not line.startswith(" ")]
    assert packages
    assert all("==" in line and line.endswith("\\") for line in packages)
    assert "://" not in lock
    assert "--index" not in lock
    assert "--find-links" not in lock
