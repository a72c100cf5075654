"""The command line: thin commands that call the estimators. Nothing heavy is imported until a command runs."""

from __future__ import annotations

import sys
import traceback

import typer

from gantools import processes
from gantools.cli import anomaly, augment, demo, export, models, serve, shared, superres, synth, translate
from gantools.errors import ConfigError, GantoolsError

app = typer.Typer(
    name="gantools",
    help="GANs for people who are not GAN researchers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(anomaly.app, name="anomaly")
app.add_typer(superres.app, name="sr")
app.add_typer(translate.app, name="translate")
app.add_typer(synth.app, name="synth")
app.command("augment")(augment.augment)
app.add_typer(models.config_app, name="config")
app.command("info")(models.info)
app.command("export")(export.export)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)

_INTERRUPTED = 130
_NO_MODEL = "interrupted; nothing is half written, and where the command has --resume, it goes on from what there is"


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code: 0 done, 1 failed, 2 usage, 3 a quality gate failed, 130 interrupted.

    Errors are one or two plain lines on stderr; with ``--debug`` anywhere, the traceback comes too.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [word for word in given if word != "--debug"]
    try:
        with shared.warnings_as_lines("--quiet" in given), shared.ended_as_interrupted():
            code = app(given, standalone_mode=False)
        if code == _INTERRUPTED:  # typer makes a result of Ctrl-C
            print(f"gantools: {_NO_MODEL}", file=sys.stderr)
    except Exception as error:
        code, message = _explained(error)
        if debug:
            traceback.print_exc()
        if message and processes.first():
            print(f"gantools: {message}", file=sys.stderr)
        elif message and not isinstance(error, ConfigError):  # these are the same in all processes
            print(f"gantools, process {processes.rank()}: {message}", file=sys.stderr)
    except KeyboardInterrupt:
        code = _INTERRUPTED
        print(f"gantools: {_NO_MODEL}", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _explained(error: Exception) -> tuple[int, str]:
    """The exit code and the words for an error."""
    if isinstance(error, GantoolsError):
        return error.exit_code, str(error)
    if type(error).__name__ == "Abort":
        return _INTERRUPTED, _NO_MODEL
    if type(error).__name__ == "Exit":
        return int(getattr(error, "exit_code", 0)), ""
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message())  # type: ignore[attr-defined]
        return 2, ""
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        return int(error.exit_code), f"{error.format_message()} (see --help)"
    if type(error).__name__ == "InvalidParameterError":
        return 2, str(error)
    if isinstance(error, (ValueError, OSError)):
        return 1, str(error) or type(error).__name__
    return 1, f"unexpected {type(error).__name__}: {error} (run again with --debug for where)"
