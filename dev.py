"""Set-up and chores of a checkout; `python3 dev.py` alone lists them.

Standard library only, because it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "installed.json"
WINDOWS = os.name == "nt"
ON_ALL_CORES = ("-n", "auto")


class SetupError(Exception):
    """Something the reader of the message has to put right; the message says how."""


def say(text: str) -> None:
    """Talk on stderr: stdout belongs to what the chore prints."""
    print(text, file=sys.stderr, flush=True)


# --- the environment: made once, found at once afterwards


def executable(name: str) -> Path:
    """Where the environment keeps a program."""
    return VENV / "Scripts" / (name + ".exe") if WINDOWS else VENV / "bin" / name


def child_env() -> dict[str, str]:
    """The environment that children get."""
    env = dict(os.environ)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # without bytecode importing ccxt takes six seconds, not one
    env["UV_COMPILE_BYTECODE"] = "1"
    for pip_name, uv_name in (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_CERT", "SSL_CERT_FILE")):
        if pip_name in env:  # uv does not read pip's settings; a site with its own index needs them
            env.setdefault(uv_name, env[pip_name])
    return env


def run(command: Sequence[object], *, quiet: bool = False) -> int:
    """Run a command at the root and wait for it; quiet keeps its output back unless it fails."""
    words = [str(word) for word in command]
    pipe, merged = (subprocess.PIPE, subprocess.STDOUT) if quiet else (None, None)
    done = subprocess.run(words, cwd=ROOT, env=child_env(), check=False, text=True, stdout=pipe, stderr=merged)
    if quiet and done.returncode:
        say(done.stdout.rstrip())
    return done.returncode


def become(command: Sequence[object]) -> int:
    """Turn this process into the command, so that signals and the exit code are its own."""
    words = [str(word) for word in command]
    if WINDOWS:  # execv there returns to the shell at once
        return run(words)
    os.chdir(ROOT)
    return os.execve(words[0], words, child_env())


def wanted() -> dict[str, str]:
    """What a finished environment is made of: compared with the stamp, part by part."""
    return {
        "root": str(ROOT),  # a moved checkout has an environment full of old paths
        "requirements": hashlib.sha256(LOCK.read_bytes()).hexdigest(),
        "project": hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest(),
    }


def installed() -> dict[str, str]:
    """What the last finished installation was made of; empty if there is none or its Python is gone.

    Which Python made it is left open: any that is new enough will do, so `python3.13 dev.py` keeps it.
    """
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) and executable("python").exists() else {}


def ensure_environment() -> Path:
    """Make or repair .venv if anything that it depends on has changed, and give its Python."""
    if installed() != wanted():
        with one_at_a_time():
            if installed() != wanted():  # somebody else may have finished it while this process waited
                install()
    return executable("python")


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two set-ups of one checkout wait for each other; the kernel lets go of the lock if one is killed."""
    with LOCK.open("rb") as held:
        if not WINDOWS:
            import fcntl

            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def install() -> None:
    """Bring .venv to what is wanted. The stamp comes last, so an interrupted installation is done again."""
    have, want = installed(), wanted()
    began = time.perf_counter()
    STAMP.unlink(missing_ok=True)
    if have.get("root") != want["root"]:
        have = {}
        say("setting up .venv (once; about half a minute)")
        make_venv()
    if have.get("requirements") != want["requirements"]:
        install_requirements()
    install_project()
    half_written = STAMP.with_suffix(".tmp")
    half_written.write_text(json.dumps(want, indent=2) + "\n", encoding="utf-8")
    half_written.replace(STAMP)
    say(f".venv is ready ({time.perf_counter() - began:.1f} s)")


def make_venv() -> None:
    """Make an empty environment in place of whatever was there."""
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    uv = uv_on_path()
    if uv and run([uv, "venv", "--quiet", "--python", sys.executable, VENV], quiet=True) == 0:
        return
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        version = ".".join(map(str, sys.version_info[:2]))
        raise SetupError(
            "this Python cannot make environments: Debian and Ubuntu package that part of it apart.\n"
            f"  sudo apt-get install python3-venv   (or python{version}-venv), and run this again"
        ) from None
    if run([sys.executable, "-m", "venv", "--clear", VENV], quiet=True):
        raise SetupError("could not make .venv; the output above says why. Is the disk full or read-only?")


def uv_on_path() -> str | None:
    """A uv that runs; a version manager's shim can be on the path and lead nowhere."""
    uv = shutil.which("uv")
    if uv and subprocess.run([uv, "--version"], capture_output=True, check=False).returncode == 0:
        return uv
    return None


def uv_from_lock() -> str | None:
    """Install the locked uv into .venv; None where it cannot be had."""
    only_uv = VENV / "uv.lock.txt"
    only_uv.write_text(pinned("uv"), encoding="utf-8")
    pip = [executable("python"), "-m", "pip", "install", "--quiet", "--no-deps"]
    failed = run([*pip, "--disable-pip-version-check", "--require-hashes", "-r", only_uv], quiet=True)
    return None if failed else str(executable("uv"))


def pinned(name: str) -> str:
    """The lines of one package in requirements.lock: its version and its hashes."""
    kept: list[str] = []
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if line.startswith(name + "==") or (kept and line.startswith(" ")):
            kept.append(line)
        elif kept:
            break
    return "\n".join(kept) + "\n"


def install_requirements() -> None:
    """Install exactly what requirements.lock names, each file checked against its hash."""
    uv = uv_on_path() or uv_from_lock()
    python = executable("python")
    if uv and run([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, LOCK], quiet=True) == 0:
        return
    say("uv could not do it; trying pip, which takes a minute or two")
    if not any(VENV.glob("**/site-packages/pip")):  # uv makes an environment without pip
        run([python, "-m", "ensurepip", "--default-pip"], quiet=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if run([*pip, "--require-hashes", "-r", LOCK], quiet=True):
        raise SetupError(
            "could not install requirements.lock; the output above says why.\n"
            "  The first run needs the network. Behind a proxy set HTTPS_PROXY;"
            " with an index of your own, PIP_INDEX_URL."
        )


def install_project() -> None:
    """Install the checkout itself, editable: no network, and its build tools are locked like the rest."""
    options = ["--quiet", "--no-deps", "--no-build-isolation"]
    python = executable("python")
    uv = executable("uv")
    by_uv = [uv, "pip", "install", *options, "--offline", "--python", python, "-e", ROOT]
    if uv.exists() and run(by_uv, quiet=True) == 0:
        return
    if run([python, "-m", "pip", "install", *options, "--no-index", "-e", ROOT], quiet=True):
        raise SetupError("could not install the checkout itself; the output above says why")


# --- the chores


def demo(words: list[str]) -> int:
    """Show the house at work on made-up markets: no keys, no network, no money."""
    return become([ensure_environment(), "-m", "lct", "demo", *words])


def test(words: list[str]) -> int:
    """Run the tests on all cores; further words go to pytest (`-k name`, `-m slow`, a path, `-n 0` for one process)."""
    return become([ensure_environment(), "-m", "pytest", *ON_ALL_CORES, *words])


def campaign(words: list[str]) -> int:
    """Kill real processes and compare books with a venue's: `campaign kill --points 10000`; `--help` says the rest."""
    return become([ensure_environment(), "-m", "tests.campaign", *words])


def run_lct(words: list[str]) -> int:
    """Run lct from the checkout: `python3 dev.py run --help`."""
    return become([ensure_environment(), "-m", "lct", *words])


def check(words: list[str]) -> int:
    """Run what CI runs: format, lint, types, import contracts, tests; `--no-tests` leaves these out."""
    python = ensure_environment()
    steps: list[tuple[str, list[object]]] = [
        ("format", [python, "-m", "ruff", "format", "--check", "--quiet", "."]),
        ("lint", [python, "-m", "ruff", "check", "--quiet", "."]),
        ("types", [python, "-m", "mypy", "--no-error-summary"]),
        ("imports", [executable("lint-imports"), "--no-logo"]),
    ]
    if "--no-tests" not in words:
        steps.append(("tests", [python, "-m", "pytest", *ON_ALL_CORES]))
    results = [(name, *timed(command)) for name, command in steps]
    say("")
    for name, failed, seconds in results:
        say(f"{name:8} {'FAILED' if failed else 'ok':6} {seconds:6.1f} s")
    return int(any(failed for _, failed, _ in results))


def timed(command: Sequence[object]) -> tuple[bool, float]:
    """Run a step of the check: did it fail, and in how many seconds."""
    began = time.perf_counter()
    failed = run(command) != 0
    return failed, time.perf_counter() - began


def fmt(words: list[str]) -> int:
    """Put the source in its form: ruff format, and every lint that ruff can mend by itself."""
    python = ensure_environment()
    paths = words or ["."]
    failed = run([python, "-m", "ruff", "check", "--fix", *paths])
    return run([python, "-m", "ruff", "format", *paths]) or failed


def bench(words: list[str]) -> int:
    """Run the benchmarks, or those named: `bench backtest --days 30` runs benchmarks/bench_backtest.py --days 30."""
    options = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    words, passed = words[:options], words[options:]
    found = {path.stem[len("bench_") :]: path for path in sorted((ROOT / "benchmarks").glob("bench_*.py"))}
    for name in words:
        if name not in found:
            raise SetupError(f"no benchmark named '{name}'; there are: {', '.join(found) or 'none'}")
    python = ensure_environment()
    return max([run([python, found[name], *passed]) for name in words or found], default=0)


def lock(words: list[str]) -> int:
    """Write requirements.lock anew from pyproject.toml; `lock --upgrade` takes the newest that fit."""
    import tomllib

    ensure_environment()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    group = "\n".join(project["dependency-groups"]["dev"])  # on stdin: uv refuses --group where managed = false
    silent = ["--quiet", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    locked = ["--generate-hashes", "--only-binary", ":all:", "--universal", "--python-version", "3.11"]
    uv = [str(executable("uv")), "pip", "compile"]
    command = [*uv, *silent, *locked, *words, "pyproject.toml", "-", "-o", LOCK.name]
    done = subprocess.run(
        command, cwd=ROOT, env=child_env(), check=False, text=True, input=group, stdout=subprocess.DEVNULL
    )
    if "://" in LOCK.read_text(encoding="utf-8"):
        raise SetupError("requirements.lock names an address; it may hold names, versions and hashes only")
    return done.returncode


CHORES: dict[str, Callable[[list[str]], int]] = {
    "demo": demo,
    "test": test,
    "run": run_lct,
    "check": check,
    "fmt": fmt,
    "bench": bench,
    "campaign": campaign,
    "lock": lock,
}


def help_lines() -> Iterator[str]:
    """One line for each chore, from its docstring."""
    yield "usage: python3 dev.py CHORE [words for it]"
    yield ""
    for name, chore in CHORES.items():
        yield f"  {name:6} {(chore.__doc__ or '').splitlines()[0]}"


def main(words: list[str]) -> int:
    """Do one chore and give its exit code."""
    if not words or words[0] in ("-h", "--help", "help"):
        print("\n".join(help_lines()))
        return 0
    if words[0] not in CHORES:
        say(f"error: no chore named '{words[0]}'; there are: {', '.join(CHORES)}")
        return 2
    if sys.version_info < OLDEST_PYTHON:
        oldest, this = ".".join(map(str, OLDEST_PYTHON)), sys.version.split()[0]
        say(f"error: lct needs Python {oldest} or newer; this is {this}.")
        say(f"  Name a newer one, if there is one: python3.13 dev.py {' '.join(words)}")
        return 2
    try:
        return CHORES[words[0]](words[1:])
    except SetupError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("\ninterrupted; what was half done is done again next time")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
