"""The embedded graph engine: a process that this one started, or that of the process which opened the folder first.

One engine runs on a folder at a time (store/engine.py). It holds `owner.lock` and writes to `endpoint.json` where it
listens, on the loopback address. All who use the graph connect there. The engine ends with the process that started
it, its owner, or alone when its memory ends; the kernel then drops the lock, and the next who needs the graph starts
another engine.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from calcigraph.errors import DamagedError, GraphError, WorkspaceError
from calcigraph.store import engine
from calcigraph.store.credentials import ADMIN, stored_passwords
from calcigraph.store.files import flush, make_folder
from calcigraph.store.room import require_room, require_writable

OWNER_WAIT_S = 30.0
"""How long an owner that is starting or stopping is waited for."""
STOP_WAIT_S = 20.0
"""How long an engine may take to stop before it is killed, which loses nothing."""

_DAMAGED = "it may be damaged: `calcigraph verify` tells, and `calcigraph verify --repair` mends what it can"

Connected = TypeVar("Connected")


@dataclass(frozen=True)
class Address:
    """Where an engine listens, and how to log in."""

    port: int
    version: str
    """The engine's."""
    process: int
    """The engine's id."""
    passwords: dict[str, str] = field(repr=False)
    """By user name; never printed."""


@dataclass
class Engine:
    """An engine that this process started."""

    folder: Path
    child: subprocess.Popen[str]
    address: Address
    parent: int
    """The id of the process that started it: a forked child inherits this record, but has no say."""
    users: int = 0
    """Connections of this process; the engine stops with the last one."""
    asking: threading.Lock = field(default_factory=threading.Lock)
    """Held by the thread that asks the engine's process something and waits for its answer."""

    @property
    def alive(self) -> bool:
        """Whether it runs and is this process's own."""
        return self.parent == os.getpid() and self.child.poll() is None


_engines: dict[Path, Engine] = {}
"""The engines of this process, by folder."""
_guard = threading.RLock()
"""Held by the thread that changes `_engines`."""


def mark_whole(folder: Path) -> None:
    """Mark that the graph has its schema, and have it on the disk; without the mark the next engine begins it anew.

    A power cut while indexes are made may leave one that finds nothing, which the engine does not notice.
    """
    mark = folder / "created"
    if mark.exists():
        return
    for path in (folder / "databases", *(folder / "databases").rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            flush(path)
    mark.touch(mode=0o600)
    for path in (mark, folder, folder.parent):
        flush(path)


def attach(
    folder: Path, heap_mb: int, connect: Callable[[Address], Connected]
) -> tuple[Connected, Address, Engine | None]:
    """Start the engine of `folder`, or find the process that runs it, and connect.

    Parameters
    ----------
    folder
        The graph's folder, made if it is not there.
    heap_mb
        Heap in MB, if this process starts the engine.
    connect
        Opens the connection. A GraphError from it means that the engine does not answer yet, or no more.

    Returns
    -------
    The connection, the engine's address, and the engine if this process owns it: then one `detach(engine)` must follow.

    Raises
    ------
    WorkspaceError
        The folder cannot be written or is damaged, or the disk is full.
    GraphError
        No engine is installed, or it does not answer for OWNER_WAIT_S seconds.
    """
    _prepare(folder)
    folder = folder.resolve()
    deadline = time.monotonic() + OWNER_WAIT_S
    while True:
        problem = "it has not said where it listens"
        own = _own(folder, heap_mb)
        address = own.address if own is not None else address_of(folder)
        if address is not None:
            try:
                return connect(address), address, own
            except GraphError as error:
                problem = str(error).partition(";")[0]  # without advice: it is for the owner
                if own is not None:
                    detach(own)
                    if time.monotonic() > deadline:
                        raise
            except BaseException:
                if own is not None:
                    detach(own)
                raise
        if time.monotonic() > deadline:
            raise GraphError(
                f"another process holds the graph in {folder} but does not answer ({problem}); "
                "wait for it to end, or end it, and repeat the command"
            )
        time.sleep(0.05)


def detach(own: Engine) -> None:
    """Give back one use of an engine of this process; the last one stops it."""
    with _guard:
        if own.parent != os.getpid():
            return
        own.users -= 1
        if own.users <= 0:
            _stop(own)


def end(folder: Path, port: int) -> None:
    """Kill the engine that listens on `port`, whoever owns it: nothing that was committed is lost.

    For a statement that cannot be ended otherwise. Those who use the graph notice and start another engine.
    """
    address = address_of(folder)
    if address is None or address.port != port:
        return  # it has gone by itself
    with _guard:
        own = _engines.get(folder.resolve())
        if own is not None and own.alive and own.address.port == port:
            own.child.kill()
            own.child.wait()
            return
    if _runs_an_engine(address.process):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(address.process, signal.SIGKILL)


def _runs_an_engine(process: int) -> bool:
    """Whether a process is an engine; in another container the number may be somebody else's."""
    if not Path("/proc/self/cmdline").exists():
        return True  # macOS has no containers that share a folder and differ in their processes' numbers
    try:
        return Path(engine.__file__).name.encode() in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def crashed(folder: Path, port: int) -> bool:
    """Whether the engine that listened on `port` has ended without saying so, as when its memory ends."""
    deadline = time.monotonic() + 0.5
    while True:
        address = address_of(folder)
        if address is None or address.port != port:
            return False
        if not _held(folder):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def explain_syntax(folder: Path, text: str) -> str | None:
    """What is wrong with a Cypher text, in the engine's words (Bolt hides them); None when another process owns it."""
    own = _engines.get(folder.resolve())
    if own is None or not own.alive:
        return None
    with own.asking:
        _tell(own.child, json.dumps(text))
        problem = _heard(own.child).get("problem")
    return None if problem is None else str(problem)


def _own(folder: Path, heap_mb: int) -> Engine | None:
    """This process's engine of `folder`, started if nobody runs one; None when another process does."""
    with _guard:
        own = _engines.get(folder)
        if own is None or not own.alive:
            own = None if _held(folder) else _start(folder, heap_mb)
            if own is None:
                return None
            if not _engines:
                atexit.register(_stop_all)
            _engines[folder] = own
        own.users += 1
        return own


def _prepare(folder: Path) -> None:
    """Make the folder and its lock file, closed to other users."""
    try:
        finish_mending(folder)
        make_folder(folder, 0o700)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
        (folder / "owner.lock").touch(mode=0o600)
    except OSError as error:
        raise _unwritable(folder, error) from error


def mended(folder: Path) -> Path:
    """Where a repair puts a graph that is whole, before it takes the place of the damaged one."""
    return folder.with_name(f".{folder.name}.mended")


def finish_mending(folder: Path) -> None:
    """Do the last step of a repair that was killed before it: the new graph takes the place of the damaged one."""
    ready = mended(folder)
    if ready.is_dir() and not folder.exists():
        with contextlib.suppress(FileNotFoundError):  # another process has just done it
            ready.rename(folder)


def _unwritable(folder: Path, error: OSError) -> WorkspaceError:
    return WorkspaceError(
        f"the graph folder {folder} cannot be written ({error.strerror or error}); "
        "choose a workspace that you may write to, with --workspace or CALCIGRAPH_WORKSPACE"
    )


def _held(folder: Path) -> bool:
    """Whether an engine runs on the folder, or is starting or stopping."""
    try:
        lock: IO[bytes] | None = engine.try_lock(folder / "owner.lock")
    except ImportError as error:
        raise GraphError(
            "the embedded graph needs Linux or macOS; set NEO4J_URI to use a Neo4j server instead"
        ) from error
    except OSError as error:
        raise _unwritable(folder, error) from error
    if lock is None:
        return True
    lock.close()
    return False


def _start(folder: Path, heap_mb: int) -> Engine | None:
    """Start an engine; None when another process did so first."""
    if not (folder / "created").exists():
        require_room(folder)
    # -P: a script's own folder must not be searched for modules, for this one has a types.py.
    child = subprocess.Popen(
        [sys.executable, "-P", engine.__file__, str(folder), str(heap_mb)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # a Ctrl-C at the terminal is for this process, which then stops the engine
    )
    try:
        if _heard(child).get("held") is False:
            _reap(child)
            return None
        passwords = stored_passwords(folder)  # now that the folder is ours, and while the engine is loaded
        _tell(child, json.dumps(passwords[ADMIN]))
        answer = _heard(child)
    except BaseException:
        child.kill()
        _reap(child)
        raise
    if "port" not in answer:
        code = _reap(child)
        raise _not_started(folder, heap_mb, answer.get("problem"), answer.get("text", f"its process ended: {code}"))
    address = Address(answer["port"], answer["version"], answer["pid"], passwords)
    return Engine(folder=folder, child=child, address=address, parent=os.getpid())


def _tell(child: subprocess.Popen[str], line: str) -> None:
    """Send a line to an engine's process; one that has ended is noticed by its answer."""
    assert child.stdin is not None
    with contextlib.suppress(OSError, ValueError):
        child.stdin.write(line + "\n")
        child.stdin.flush()


def _heard(child: subprocess.Popen[str]) -> dict[str, Any]:
    """The next answer of an engine's process; empty when it has ended."""
    assert child.stdout is not None
    try:
        answer: dict[str, Any] = json.loads(child.stdout.readline() or "{}")
    except ValueError:  # it was killed in the middle of one, or the pipe is closed
        return {}
    return answer


def _not_started(folder: Path, heap_mb: int, problem: str | None, text: str) -> GraphError | WorkspaceError:
    if problem == "NoEngineError":
        return GraphError(
            "no graph engine is installed: run `pip install arcadedb`, or set NEO4J_URI to use a Neo4j server"
        )
    if problem == "RefusedError":
        return GraphError(text)
    require_writable(folder)  # a full disk is the likelier reason
    if problem is None:  # it ended without a word
        return GraphError(
            f"the graph engine ended as it opened {folder} ({text}); {folder}/log/engine.txt may say why: if it ran "
            f"out of memory, set CALCIGRAPH_HEAP_MB to more than its {heap_mb} MB of heap and repeat the command"
        )
    return DamagedError(f"the graph in {folder} cannot be opened ({text}); {_DAMAGED}")


def _stop(own: Engine) -> None:
    """Stop an engine of this process and wait until its lock is free."""
    if _engines.get(own.folder) is own:
        del _engines[own.folder]
    with own.asking:
        _tell(own.child, "")  # the end of the pipe would not do: a forked child of this process may hold it too
    try:
        own.child.wait(STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        own.child.kill()
    _reap(own.child)


def _reap(child: subprocess.Popen[str]) -> int:
    """Close the pipes of a child that ends, and return its exit code."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    return child.wait()


def _stop_all() -> None:
    with _guard:
        for own in list(_engines.values()):
            if own.parent == os.getpid():
                _stop(own)


def address_of(folder: Path) -> Address | None:
    """Where the engine of a folder says that it listens; None while it is starting or stopping, and when none runs."""
    try:
        stored = json.loads((folder / "endpoint.json").read_text())
        passwords = json.loads((folder / "credentials.json").read_text())
        return Address(int(stored["port"]), str(stored["version"]), int(stored["pid"]), passwords)
    except (OSError, ValueError, KeyError):
        return None
