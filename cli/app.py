"""The application: its commands, the workspace option they share, and how errors reach the user."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import Annotated, Any

import typer

from calcigraph.cli.annotate import annotate
from calcigraph.cli.backup import backup, restore
from calcigraph.cli.compare import compare
from calcigraph.cli.curate import curate
from calcigraph.cli.delete import delete
from calcigraph.cli.demo import demo
from calcigraph.cli.events import events
from calcigraph.cli.export import export
from calcigraph.cli.fit import fit
from calcigraph.cli.forecast import forecast
from calcigraph.cli.ingest import ingest, ingest_traces
from calcigraph.cli.migrate import migrate
from calcigraph.cli.output import Interrupt, note
from calcigraph.cli.picture import picture
from calcigraph.cli.query import query
from calcigraph.cli.report import report
from calcigraph.cli.run import run_plan
from calcigraph.cli.simulate import simulate
from calcigraph.cli.status import status
from calcigraph.cli.verify import verify
from calcigraph.cli.view import view
from calcigraph.errors import CalcigraphError
from calcigraph.naming import default_folder
from calcigraph.version import __version__
from calcigraph.workspace import Workspace

UsageError: Any = typer.BadParameter.__mro__[2]
"""Click's ClickException, which typer bundles under a private name."""

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells expect it."""

app = typer.Typer(
    name="calcigraph",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From a calcium movie of a cell culture to a queried graph of cells, contacts and fitted coupling.",
    epilog="To begin: calcigraph ingest FILM --culture NAME; calcigraph fit NAME; calcigraph events NAME; "
    "calcigraph report NAME -o NAME.html",
)
COMMANDS = (
    ingest, ingest_traces, annotate, curate, fit, events, forecast, run_plan, query, compare, picture, report, view,
    export, simulate, status, delete, migrate, verify, backup, restore, demo,
)  # fmt: skip
for command in COMMANDS:
    app.command(name=command.__name__.removesuffix("_plan").replace("_", "-"))(command)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"calcigraph {__version__}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    workspace: Annotated[
        str | None,
        typer.Option(
            help="Folder of movies and graph, or s3://BUCKET/PREFIX with a Neo4j; default $CALCIGRAPH_WORKSPACE, else "
            "./calcigraph-workspace."
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""
    if workspace == "":
        raise typer.BadParameter("--workspace is empty: give a folder")
    context.obj = context.with_resource(Workspace(workspace if workspace is not None else default_folder()))


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and exit the process.

    Parameters
    ----------
    arguments
        The words after `calcigraph`; by default those of the process.

    The exit code is 0 for done, 1 for refused or failed, 2 for wrong usage, 130 for interrupted.
    """
    _silence_libraries()
    Interrupt.watch()
    sys.exit(run(arguments))


class Told(logging.Handler):
    """What calcigraph itself warns of while it works, as lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        note(f"calcigraph: {record.getMessage()}")


def _silence_libraries() -> None:
    """Keep what libraries say to programmers from the user: what matters of it becomes a message of ours.

    `python -W default -m calcigraph` shows their warnings.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    # Without any handler, logging writes what libraries log to stderr.
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("calcigraph").addHandler(Told(logging.WARNING))


def run(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code; an error becomes one line on stderr. Parameters as for `main`."""
    try:
        outcome = app(arguments, standalone_mode=False)
        sys.stdout.flush()
    except CalcigraphError as error:
        return _fail(str(error), 1)
    except UsageError as error:
        return _fail(_usage(error), 2)
    except (KeyboardInterrupt, typer.Abort):
        outcome = INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has read enough. Python would complain when it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # that of the system itself, such as a name that is too long for it
        return _fail(f"{error.filename or 'a file'}: {error.strerror or error}", 1)
    except MemoryError:
        return _fail("there is not enough memory for this; ask for less, or use a machine with more", 1)
    if outcome == INTERRUPTED:
        return _fail("interrupted; nothing that was reported as done is lost, and the same command continues", outcome)
    return outcome if isinstance(outcome, int) else 0


def _usage(error: Any) -> str:
    """What was wrong with the words of a command, and where the right ones are described."""
    message, context = str(error.format_message()).rstrip("."), getattr(error, "ctx", None)
    if "--workspace" in message and context is not None and context.parent is not None:
        return "--workspace goes before the command: calcigraph --workspace DIR COMMAND"
    if message.startswith("No such option") and context is not None and context.parent is None:
        return f"{message} before the command; options of a command go after it: calcigraph COMMAND ... --option"
    # So many words come from a shell that has replaced a pattern by the names of all files.
    if "unexpected extra argument" in message.lower() and len(message) > 200:
        return "too many arguments: put a pattern of file names in quotes, or give their folder"
    return f"{message}; see `{context.command_path} --help`" if message and context is not None else message


def _fail(message: str, code: int) -> int:
    """Print the message as one line; return the code."""
    if message:
        print("calcigraph:", " ".join(message.split()), file=sys.stderr)
    return code
