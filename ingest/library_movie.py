"""Films that their format's own library reads: opened, or refused in one line and closed."""

from __future__ import annotations

import threading
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from calcigraph.errors import InputError
from calcigraph.ingest.axes import Choice, StackMovie
from calcigraph.ingest.extra import library
from calcigraph.ingest.movie import first_line

AGAIN = "copy it again, or export it as TIFF"


class LibraryMovie(StackMovie):
    """A film read by a library; subclasses say which, and take from the open file what `Movie` needs.

    Raises InputError if it is no movie, damaged, or has several scenes, channels or z-planes and none was picked;
    MissingExtraError if the library is not installed.
    """

    kind: ClassVar[str]
    """Of the file, such as "LIF"."""
    module: ClassVar[str]
    """That reads it."""
    _file: Any
    """The library's own open file."""

    def __init__(self, path: Path, source: str, choice: Choice) -> None:
        module = library(self.module, f"{self.kind} files", source)
        self._lock = threading.Lock()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is missing is told here, in a line of ours
            with _refusing(f"{source}: not a readable {self.kind}"):
                self._file = self._opened(module, path)
            with _refusing(f"{source}: this {self.kind} cannot be understood", self.close):
                self._take(path, source, choice)

    @abstractmethod
    def _opened(self, module: Any, path: Path) -> Any:
        """The file, opened by the library."""

    @abstractmethod
    def _take(self, path: Path, source: str, choice: Choice) -> None:
        """Pick the movie, and set `info`; raises InputError where there is none."""

    def close(self) -> None:
        self._file.close()


@contextmanager
def _refusing(what: str, undo: Callable[[], None] | None = None) -> Iterator[None]:
    """Make one line of whatever is raised: on a damaged file a library may raise anything."""
    try:
        yield
    except Exception as error:
        if undo is not None:
            undo()
        if isinstance(error, InputError):
            raise
        raise InputError(f"{what} ({first_line(error)}); {AGAIN}") from error
