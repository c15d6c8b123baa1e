"""Every error calcigraph raises on purpose. Each is also a built-in, so callers need no import to catch it.

The message is one line for a person: what was wrong, what was expected, what to do.
"""

import difflib
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

LONGEST = 1200
"""Characters of a message."""

_PLAIN = re.compile(r"\w[\w.+-]*")


def spelt(*names: str) -> str:
    """Names for a sentence, in quotation marks where they could be read wrongly.

    >>> spelt("wt-1", "dish 2, new", "-1")
    'wt-1, "dish 2, new", "-1"'
    """
    return ", ".join(name if _PLAIN.fullmatch(name) else f'"{name}"' for name in names)


def beside(path: str | Path) -> str:
    """For a file that does not exist: ", did you mean x.tif?" if one beside it has nearly its name; else "".

    >>> beside("/no/such/folder/a.tif")
    ''
    """
    file = Path(path)
    try:
        there = [each.name for each in file.parent.iterdir()]
    except OSError:
        return ""
    near = difflib.get_close_matches(file.name, there, n=1)
    return f", did you mean {file.parent / near[0]}?" if near else ""


def command(verb: str, names: Iterable[str], *options: str) -> str:
    """A command for the user to copy, with names that a shell takes as they are.

    >>> command("fit", ["wt-1", "dish 2"], "--model", "crlsm")
    'calcigraph fit wt-1 "dish 2" --model crlsm'
    >>> command("fit", ["-1"], "--model", "crlsm")
    'calcigraph fit --model crlsm -- -1'
    """
    names = list(names)
    quoted = [_for_a_shell(name) for name in names]
    # A name that begins with a hyphen would be read as an option.
    marked = [*options, "--", *quoted] if any(name.startswith("-") for name in names) else [*quoted, *options]
    return " ".join(["calcigraph", verb, *marked])


def _for_a_shell(name: str) -> str:
    """In double quotes, which all shells know, unless something in it means more there."""
    if _PLAIN.fullmatch(name) or (name.startswith("-") and _PLAIN.fullmatch(name[1:])):
        return name
    return shlex.quote(name) if set(name) & set('"$`\\!%') else f'"{name}"'


class CalcigraphError(Exception):
    """Root of all calcigraph errors; `calcigraph` on the command line prints its message and exits with 1."""

    def __str__(self) -> str:  # KeyError would print the repr
        text = " ".join(str(argument) for argument in self.args)
        # What a damaged file holds may be quoted in it, and be endless.
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 300]} ... {text[-295:]}"


class InputError(CalcigraphError, ValueError):
    """A file, an option or a parameter is not what was expected."""


class MissingParameterError(InputError):
    """A query needs a parameter that was not given.

    Parameters
    ----------
    name
        Of the parameter.
    message
        What is missing.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class NotFoundError(CalcigraphError, KeyError):
    """A culture, query, model or file that was named does not exist."""


class ConflictError(CalcigraphError, ValueError):
    """The request contradicts what is already stored (a name taken by another input, fits with other options)."""


class ReadOnlyError(CalcigraphError, PermissionError):
    """A query would write, reach outside the graph, or call what is not on the allow-list."""


class LimitError(CalcigraphError, TimeoutError):
    """A query ran past its time or row limit."""


class GraphError(CalcigraphError, ConnectionError):
    """The graph engine cannot be started or reached, refused the login, or was lost."""


class WorkspaceError(CalcigraphError, OSError):
    """The workspace cannot be read or written (permissions, disk space, damaged files)."""


class StorageError(CalcigraphError, LookupError):
    """Object storage cannot be reached, or refused the login or what was asked.

    Not an OSError: whoever reads a file takes that for damage of the file.
    """


class VersionError(GraphError):
    """Another version of calcigraph made the graph, and this one may not use it as it is."""


class DamagedError(WorkspaceError):
    """The embedded graph cannot be opened: its files are damaged."""


class MissingExtraError(CalcigraphError, ImportError):
    """An optional dependency is needed; the message has the install command."""


class FitError(CalcigraphError, ValueError):
    """A culture cannot be fitted with the options given (no inner cells, weights that need borders, ...)."""
