"""Every error calcigraph raises on purpose. Each is also a built-in, so callers need no import to catch it.

The message is one line for a person: what was wrong, what was expected, what to do.
"""


class CalcigraphError(Exception):
    """Root of all calcigraph errors; `calcigraph` on the command line prints its message and exits with 1."""

    def __str__(self) -> str:  # KeyError would print the repr
        return " ".join(str(argument) for argument in self.args)


class InputError(CalcigraphError, ValueError):
    """A file, an option or a parameter is not what was expected."""


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


class MissingExtraError(CalcigraphError, ImportError):
    """An optional dependency is needed; the message has the install command."""


class FitError(CalcigraphError, ValueError):
    """A culture cannot be fitted with the options given (no inner cells, weights that need borders, ...)."""
