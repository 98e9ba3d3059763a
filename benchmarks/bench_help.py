"""`lct --help` against the --help of a Typer program with one command: start-up cost, interleaved in one run.

python3 dev.py bench help [--rounds 15]
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

ONE_COMMAND = '''
import typer
app = typer.Typer()
@app.command()
def hello(name: str = "you", count: int = 1) -> None:
    """Say hello."""
    typer.echo(name * count)
app()
'''


def seconds(command: list[str]) -> float:
    start = perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "one_command.py"
        script.write_text(ONE_COMMAND)
        commands = {
            "typer": [sys.executable, str(script), "--help"],
            "lct": [
                sys.executable,
                "-c",
                "import sys; sys.argv[0] = 'lct'; from lct.cli import main; main()",
                "--help",
            ],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds + 1):
            for name, command in commands.items():
                times[name].append(seconds(command))
    middle = {name: median(measured[1:]) for name, measured in times.items()}
    for name, value in middle.items():
        print(f"{name:6s} --help  median {value * 1000:7.1f} ms of {rounds}")
    print(f"lct / typer = {middle['lct'] / middle['typer']:.2f}x (goal: at most 1.3)")


if __name__ == "__main__":
    main()
