"""The embedded graph engine: ArcadeDB in this process, or in the process that opened the folder first.

One process owns a folder: it holds `owner.lock`, runs the engine, and writes to `endpoint.json` where its Bolt listener
is (on the loopback address, for this machine only). Others connect there. The kernel drops the lock when its holder
dies, so the next process takes over.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import shlex
import shutil
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from calcigraph.errors import CalcigraphError, GraphError, WorkspaceError
from calcigraph.store.credentials import ADMIN, stored_passwords, write_private

DATABASE = "calcigraph"
ROOM_BYTES = 60 * 2**20
"""Free disk space that a commit may need for its write-ahead log."""
FSYNC = 2
"""arcadedb.txWalFlush: every commit reaches the disk before it is acknowledged."""
STATEMENT_LIMIT_MS = 60_000
"""The engine ends any single statement after this; the client's own time limit is shorter."""
OWNER_WAIT_S = 30.0
"""How long an owner that is starting or stopping is waited for."""
PORTS = 5
"""Attempts to listen, each on another port."""

_DAMAGED = "it may be damaged: restore it from a backup, or move it away and ingest again"
_LAYOUT = (
    "CREATE VERTEX TYPE Cell IF NOT EXISTS",
    "CREATE PROPERTY Cell.intensity IF NOT EXISTS ARRAY_OF_DOUBLES",
)
"""A declared array takes a third of the heap that a list of boxed numbers does. (The engine's EXTERNAL properties would
spare rewriting traces with each fit, but their cost grows with the square of a trace's length.)"""


Connected = TypeVar("Connected")


@dataclass(frozen=True)
class Address:
    """Where an engine listens, and how to log in."""

    port: int
    version: str
    """The engine's."""
    passwords: dict[str, str] = field(repr=False)
    """By user name; never printed."""


@dataclass
class _Engine:
    """An engine of this process."""

    server: Any
    lock: IO[bytes]
    """owner.lock, open and locked."""
    address: Address
    process: int
    """Its id: a forked child inherits this record, but neither the lock nor the engine."""
    users: int = 0
    """Connections of this process; the engine stops with the last one."""


_engines: dict[Path, _Engine] = {}
"""The engines of this process, by folder."""
_guard = threading.RLock()
"""Held by the thread that changes `_engines`."""
_heap_mb: int | None = None
"""The heap that this process's engines share; None before the first one."""


def free_bytes(folder: Path) -> int:
    """Free space of the disk that holds `folder`, in bytes."""
    return shutil.disk_usage(folder).free


def require_room(folder: Path) -> None:
    """Raise WorkspaceError unless the disk has room for a commit."""
    if free_bytes(folder) < ROOM_BYTES:
        raise WorkspaceError(
            f"the disk of {folder} is full: {free_bytes(folder) // 2**20} MB are free and the graph needs "
            f"{ROOM_BYTES // 2**20} MB to write safely; nothing is half-written: free some space and repeat the command"
        )


def attach(folder: Path, heap_mb: int, connect: Callable[[Address], Connected]) -> tuple[Connected, Address, bool]:
    """Start the engine of `folder`, or find the process that runs it, and connect.

    Parameters
    ----------
    folder
        The graph's folder, made if it is not there.
    heap_mb
        Heap in MB, if this process starts the engine.
    connect
        Opens the connection. A GraphError from it means that the owner does not answer yet, or no more.

    Returns
    -------
    The connection, the engine's address, and whether this process owns the engine: then one `detach(folder)` must
    follow.

    Raises
    ------
    WorkspaceError
        The folder cannot be written or is damaged, or the disk is full.
    GraphError
        No engine is installed, or its owner does not answer for OWNER_WAIT_S seconds.
    """
    _prepare(folder)
    folder = folder.resolve()
    deadline = time.monotonic() + OWNER_WAIT_S
    while True:
        engine = _own(folder, heap_mb)
        if engine is not None:
            try:
                return connect(engine.address), engine.address, True
            except BaseException:
                detach(folder)
                raise
        problem = "it has not said where it listens"
        address = _read_address(folder)
        if address is not None:
            try:
                return connect(address), address, False
            except GraphError as error:
                problem = str(error).partition(";")[0]  # without advice: it is for the owner
        if time.monotonic() > deadline:
            raise GraphError(
                f"another process holds the graph in {folder} but does not answer ({problem}); "
                "wait for it to end, or end it, and repeat the command"
            )
        time.sleep(0.05)


def detach(folder: Path) -> None:
    """Give back one use of this process's engine; the last one stops it."""
    folder = folder.resolve()
    with _guard:
        engine = _engines.get(folder)
        if engine is None or engine.process != os.getpid():
            return
        engine.users -= 1
        if engine.users <= 0:
            _stop(folder)


def explain_syntax(folder: Path, text: str) -> str | None:
    """What is wrong with a Cypher text, in the engine's words (Bolt hides them); None when another process owns it."""
    with _guard:
        engine = _engines.get(folder.resolve())
        if engine is None or engine.process != os.getpid():
            return None
        try:
            engine.server.get_database(DATABASE).query("opencypher", "EXPLAIN " + text)
        except Exception as error:  # the package's error classes differ between its builds
            return _first_line(error).rpartition(" (caused by")[0].partition("Exception: ")[2] or _first_line(error)
    return None


def _own(folder: Path, heap_mb: int) -> _Engine | None:
    """This process's engine of `folder`, started if nobody runs one; None when another process does."""
    with _guard:
        engine = _engines.get(folder)
        if engine is None or engine.process != os.getpid():
            lock = _try_lock(folder / "owner.lock")
            if lock is None:
                return None
            try:
                engine = _start(folder, heap_mb, lock)
            except BaseException:
                lock.close()
                raise
            _engines[folder] = engine
        engine.users += 1
        return engine


def _prepare(folder: Path) -> None:
    """Make the folder and its lock file, closed to other users."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
        (folder / "owner.lock").touch(mode=0o600)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> WorkspaceError:
    return WorkspaceError(
        f"the graph folder {folder} cannot be written ({error.strerror or error}); "
        "choose a workspace that you may write to, with --workspace or CALCIGRAPH_WORKSPACE"
    )


def _try_lock(path: Path) -> IO[bytes] | None:
    """The open, locked file; None when another process holds it."""
    try:
        import fcntl
    except ImportError as error:
        raise GraphError(
            "the embedded graph needs Linux or macOS; set NEO4J_URI to use a Neo4j server instead"
        ) from error
    try:
        file = path.open("r+b")
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    try:
        # A record lock (lockf, not flock): a forked child does not inherit it, so it cannot outlive this process.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _load(folder: Path, heap_mb: int) -> Any:
    """Import the engine with its settings in place: they are read once per process, at import."""
    global _heap_mb
    if _heap_mb is not None and heap_mb > _heap_mb:
        raise GraphError(
            f"the graph engine of this process runs with {_heap_mb} MB of heap and cannot grow to {heap_mb} MB; "
            "start a new process"
        )
    if _heap_mb is None:
        # The package has a native build and one for a Java virtual machine; each reads variables of its own.
        settings = f"-Xmx{heap_mb}m -Darcadedb.txWalFlush={FSYNC}"
        os.environ["ARCADEDB_NATIVE_ISOLATE_ARGS"] = settings
        os.environ["ARCADEDB_JVM_ARGS"] = f"{settings} {shlex.quote(_log_to_file(folder / 'log'))}"
        os.environ["ARCADEDB_LOG_CONSOLE"] = "0"
        os.environ["ARCADEDB_LOG_DIR"] = str(folder / "log")
        _heap_mb = heap_mb
        atexit.register(_stop_all)
    for name in ("arcadedb", "arcadedb_embedded"):
        with contextlib.suppress(ModuleNotFoundError):
            return importlib.import_module(name)
    raise GraphError("no graph engine is installed: run `pip install arcadedb`, or set NEO4J_URI to use a Neo4j server")


def _log_to_file(folder: Path) -> str:
    """A Java option that keeps the JVM build's log in `folder`; the native build needs only its variables."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "java-logging.properties"
    handler = "java.util.logging.FileHandler"
    lines = [
        f"handlers = {handler}",
        ".level = INFO",
        f"{handler}.pattern = {folder.as_posix()}/arcadedb.log",
        f"{handler}.formatter = com.arcadedb.log.LogFormatter",
        f"{handler}.limit = 10000000",
        f"{handler}.count = 3",
    ]
    path.write_text("\n".join(lines) + "\n")  # in place: only this start reads it, and the next writes it anew
    return f"-Djava.util.logging.config.file={path}"


def _start(folder: Path, heap_mb: int, lock: IO[bytes]) -> _Engine:
    """Start the engine on a free loopback port, open or make the database, and make sure that commits are fsynced."""
    (folder / "endpoint.json").unlink(missing_ok=True)  # a killed owner's: nobody listens there any more
    if not (folder / "created").exists():
        # The first start was broken off before its last step, so nothing has been stored yet.
        require_room(folder)
        shutil.rmtree(folder / "databases", ignore_errors=True)
    arcadedb = _load(folder, heap_mb)
    passwords = stored_passwords(folder)
    server = None
    try:
        server, port = _listen(arcadedb, folder, passwords)
        _open_database(server, folder)
    except Exception as error:  # the package's error classes differ between its builds
        if server is not None:
            server.stop()
        if isinstance(error, CalcigraphError):
            raise
        require_room(folder)  # a full disk is the likelier reason
        raise WorkspaceError(f"the graph in {folder} cannot be opened ({_first_line(error)}); {_DAMAGED}") from error
    address = Address(port=port, version=str(arcadedb.__version__), passwords=passwords)
    write_private(folder / "endpoint.json", json.dumps({"port": port, "version": address.version, "pid": os.getpid()}))
    return _Engine(server=server, lock=lock, address=address, process=os.getpid())


def _listen(arcadedb: Any, folder: Path, passwords: dict[str, str]) -> tuple[Any, int]:
    """A started server and its Bolt port."""
    for attempt in range(PORTS):
        port = _free_port()
        config = {
            "mode": "production",
            "host": "127.0.0.1",
            "bolt_host": "127.0.0.1",
            "bolt_port": port,
            "http_port": 0,
            "server_plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
        }
        server = arcadedb.create_server(root_path=str(folder), root_password=passwords[ADMIN], config=config)
        try:
            server.start()
        except Exception as error:  # the package's error classes differ between its builds
            # Another program may have taken the port since it was found free.
            if attempt == PORTS - 1 or "Unable to listen" not in str(error):
                raise
        else:
            return server, port
    raise GraphError("no free loopback port was found for the graph engine; close other programs and try again")


def _open_database(server: Any, folder: Path) -> None:
    """Open the database, or make it; `created` marks, as the last step, that all of it is there."""
    created = folder / "created"
    fresh = not created.exists()
    database = server.create_database(DATABASE) if fresh else server.get_database(DATABASE)
    if fresh or fsync_level(database) != FSYNC:
        database.command("sql", f"ALTER DATABASE `arcadedb.txWalFlush` {FSYNC}")
        database.command("sql", f"ALTER DATABASE `arcadedb.command.timeout` {STATEMENT_LIMIT_MS}")
        for statement in _LAYOUT:
            database.command("sql", statement)
    # The engine opens a database whose schema file is broken, as an empty one.
    types = [json.loads(row.to_json()).get("name") for row in database.query("sql", "SELECT FROM schema:types")]
    if "Cell" not in types:
        raise WorkspaceError(f"the graph in {folder} has lost its schema; {_DAMAGED}")
    level = fsync_level(database)
    if level != FSYNC:
        raise GraphError(
            f"the graph engine does not flush its commits to disk (arcadedb.txWalFlush reads {level}, {FSYNC} is "
            "expected); refusing to write where a crash could lose data"
        )
    created.touch(mode=0o600)


def fsync_level(database: Any) -> int | None:
    """arcadedb.txWalFlush as the open database reports it; None when it does not say."""
    for row in database.query("sql", "SELECT FROM schema:database"):
        for setting in json.loads(row.to_json()).get("settings", []):
            if setting.get("key") == "arcadedb.txWalFlush":
                return int(setting["value"])
    return None


def _stop(folder: Path) -> None:
    """Stop an engine of this process. The lock goes last, so that no other process starts one beside it."""
    engine = _engines.pop(folder)
    with contextlib.suppress(OSError):
        (folder / "endpoint.json").unlink(missing_ok=True)
    try:
        engine.server.stop()
    finally:
        engine.lock.close()


def _stop_all() -> None:
    with _guard:
        for folder, engine in list(_engines.items()):
            if engine.process == os.getpid():
                _stop(folder)


def _read_address(folder: Path) -> Address | None:
    """Where the owner says that its engine listens; None while it is starting or stopping."""
    try:
        stored = json.loads((folder / "endpoint.json").read_text())
        passwords = json.loads((folder / "credentials.json").read_text())
        return Address(port=int(stored["port"]), version=str(stored["version"]), passwords=passwords)
    except (OSError, ValueError, KeyError):
        return None


def port_of(folder: Path) -> int | None:
    """The port that the engine's owner says it listens on; None when nobody does, or is stopping."""
    address = _read_address(folder)
    return None if address is None else address.port


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
