"""The command line: finds its verbs without importing them, and turns errors into one line and an exit code.

A verb is a module of this folder whose docstring begins with its name, as in `lct backtest`; the rest of that line is
its help. So a new verb is a new file, and `lct --help` imports none of them.
"""

import io
import os
import re
import sys
import traceback
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from lct.errors import LctError

VERB = re.compile(r'"""`lct (?P<name>[a-z][a-z0-9_]*)`: (?P<line>.+?)\.?(?:"""|$)')
INTERRUPTED = 130


def verbs() -> dict[str, str]:
    """Return each verb with its help line, read from the first lines of the files beside this one."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        with path.open(encoding="utf-8") as file:
            match = VERB.match(file.readline())
        if match is not None:
            found[match["name"]] = match["line"][:1].upper() + match["line"][1:]
    return found


class Verbs(TyperGroup):
    """The group of all verbs: each is imported when it is called, completed, or asked for its help."""

    def __init__(self, **attrs: Any) -> None:
        """List the verbs by their help lines alone; nobody asked for help until somebody types it, see `_typed`."""
        found = verbs()
        unasked = {"help": False}
        attrs["context_settings"] = {"default_map": {**unasked, **dict.fromkeys(found, unasked)}}
        super().__init__(**attrs)
        for name, line in found.items():
            self.commands[name] = TyperCommand(name, help=line)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the verb that is meant."""
        if args and args[0] in self.commands:
            self.commands[args[0]] = _verb(args[0])
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take global options wherever they stand."""
        args = global_options_first(args)
        every, self.params = self.params, _typed(self.params, args, self.commands)
        try:
            return super().parse_args(ctx, args)
        finally:
            self.params = every

    def invoke(self, ctx: Any) -> Any:
        """Run a verb; Ctrl-C ends it in one line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run a verb; an error becomes a line on stderr and an exit code, a traceback only with --debug."""
        words = list(sys.argv[1:] if args is None else args)
        is_unheard = _fill_closed_streams() and "--help" not in words
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without a letter still shows its line
        try:
            return super().main(words, *rest, **extra)
        except SystemExit as end:
            sys.exit(end.code or (1 if is_unheard else 0))
        except LctError as error:
            _tell(f"error: {error}", debug="--debug" in words)
            sys.exit(error.exit_code)
        except Exception as error:  # noqa: BLE001 - the last door: a person reads what a bug says
            _tell(f"error: {_unexpected(error)}", debug="--debug" in words)
            sys.exit(1)
        finally:
            _flush()


def global_options_first(args: list[str]) -> list[str]:
    """Move --home, --debug and --quiet to the front, so that they may be typed after the verb as well."""
    first: list[str] = []
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word in {"--debug", "--quiet"} or word.startswith("--home="):
            first.append(word)
        elif word == "--home":
            first += [word, *([value] if (value := next(words, None)) is not None else [])]
        else:
            rest.append(word)
    return [*first, *rest]


def _typed(params: list[Any], args: list[str], known: Container[str]) -> list[Any]:
    """Return the options that stand before the verb: where an option has no value, Typer loads pydantic to say so.

    That would be half the time of `lct status`. Where there is no verb, all are returned: they may be asked about.
    """
    verb = next((at for at, word in enumerate(args) if word in known), None)
    if verb is None or "_LCT_COMPLETE" in os.environ:
        return params
    typed = {word.partition("=")[0] for word in args[:verb]}
    return [param for param in params if typed.intersection(param.opts)] if typed else []


def _verb(name: str) -> Any:
    import importlib

    command = typer.main.get_command(importlib.import_module(f"lct.cli.{name}").app)
    command.name = name
    return command


def _unexpected(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f": {error.filename}"
        return f"{error.strerror}{where}. Check the path, its permissions and the room left."
    what = f"{type(error).__name__}: {error}"
    return f"unexpected {what}. This is a bug in lct or in a plugin; --debug shows where."


def _tell(text: str, *, debug: bool) -> None:
    from lct.cli.output import LINE_WIDTH
    from lct.domain.text import clean

    if debug:
        traceback.print_exc()  # the standard one: it shows no local variables, which may hold keys
    typer.echo(clean(text, LINE_WIDTH), err=True)


def _flush() -> None:
    """Write out what stdout holds; a reader that went away is no error."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            _tell(f"error: {_unexpected(error)}", debug=False)
            sys.exit(1)


def _fill_closed_streams() -> bool:
    """Give what is closed a place to write to; return whether it was stdout, so that nobody hears us."""
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:
        mode = "r" if name == "stdin" else "w"
        setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open to the end
    return "stdout" in closed


def _version(asked: bool) -> None:
    if asked:
        from lct import __version__

        typer.echo(f"lct {__version__}")
        raise typer.Exit


app = typer.Typer(name="lct", cls=Verbs, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.callback()
def root(
    ctx: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Where lct keeps everything; else $LCT_HOME.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no talk on stderr; errors stay.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A crypto trading toolkit for people who live in a terminal.

    Global options may stand after the verb as well. Example: lct demo --days 1
    """
    from lct.cli.output import Manners, behave

    if home is not None:
        os.environ["LCT_HOME"] = str(home.expanduser().absolute())  # what lct.config.home and the catalog ask
    ctx.obj = behave(Manners(quiet=quiet))


def main() -> None:
    """Run the command line."""
    app()
