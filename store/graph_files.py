"""The files of an embedded graph while no engine runs: checked against their record, and copied to look into.

A copy has the database only, and gets passwords of its own. What is done to it does not touch the graph.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calcigraph.errors import GraphError, WorkspaceError
from calcigraph.store import engine
from calcigraph.store.types import Progress, silent

COPIED = ("databases", "created")
STAGE = "checking the graph's files"
ROOM = 1.1
"""Times the size of a graph that its copy may need."""


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Keep engines from starting on a graph's folder; False where one runs, or another process does the same."""
    try:
        lock = engine.try_lock(folder / "owner.lock")
    except FileNotFoundError:  # no engine ever ran here
        yield True
        return
    except ImportError as error:
        raise GraphError("the embedded graph needs Linux or macOS") from error
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise WorkspaceError(f"{folder} cannot be read ({error.strerror})") from error
        yield True  # nobody can write here, so nobody runs an engine
        return
    if lock is None:
        yield False
        return
    with lock:
        yield True


def problems_of(folder: Path, progress: Progress = silent) -> list[tuple[str, str, str]]:
    """Files that are not what was recorded when the last engine ended, while `held`.

    Returns
    -------
    Triples: the file's path inside the folder, "damaged", "missing", "extra" or "unrecorded", and what to know of it.
    """
    record = engine.read_record(folder / engine.RECORD)
    if record is None:
        what = "no engine has ended here in order since this was recorded; the next command records it"
        return [(engine.RECORD, "unrecorded", what)]
    there, found = set(engine.recorded_names(folder)), []
    names = sorted({*record["files"], *there, *record["changed"]})
    for done, name in enumerate(names, start=1):
        known = record["files"].get(name)
        if name in record["changed"]:
            found.append((name, "damaged", "it was changed while no engine ran"))
        elif name not in there:
            found.append((name, "missing", ""))
        elif known is None:
            found.append((name, "extra", ""))
        elif engine.digest_of(folder / name) != known[2]:
            found.append((name, "damaged", "it is not what the engine left"))
        progress(STAGE, done, len(names))
    return found


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """A workspace in a temporary folder with a copy of the graph in it, made while `held`; it is gone in the end.

    Raises WorkspaceError where there is no room for it.
    """
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    temporary = Path(tempfile.gettempdir())
    if shutil.disk_usage(temporary).free < ROOM * size + 100 * 2**20:
        raise WorkspaceError(
            f"a copy of the graph needs {ROOM * size / 2**20:.0f} MB in {temporary}, which are not free: free some, or "
            "set TMPDIR to another folder"
        )
    home = Path(tempfile.mkdtemp(prefix="calcigraph-"))
    try:
        copy_graph(folder, home / "graph")
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def copy_graph(folder: Path, target: Path) -> None:
    """Copy the database of a graph, while `held`; it is no graph before its last file. Raises WorkspaceError."""
    try:
        target.mkdir(mode=0o700)
        for name in COPIED:
            if (folder / name).is_dir():
                shutil.copytree(folder / name, target / name, copy_function=shutil.copyfile)
            elif (folder / name).exists():
                shutil.copyfile(folder / name, target / name)
    except OSError as error:
        raise WorkspaceError(f"the graph in {folder} cannot be copied ({error})") from error
