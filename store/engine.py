"""The process that runs the embedded engine, ArcadeDB: it holds the folder's lock, listens, and may die at any time.

`store/embedded.py` starts it as a script, so it imports nothing of the package. Its arguments are the folder and the
heap in MB. It says in a JSON line when it holds the lock, is then told the administrator's password, and says where it
listens, or what is wrong. Each further line that it reads is a Cypher text whose syntax is to be explained; the end of
the input, or an empty line, ends it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import shlex
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import IO, Any

DATABASE = "calcigraph"
FSYNC = 2
"""arcadedb.txWalFlush: every commit reaches the disk before it is acknowledged."""
STATEMENT_LIMIT_MS = 60_000
"""The engine ends any single statement after this; the client's own time limit is shorter."""
PORTS = 5
"""Attempts to listen, each on another port."""
GREETINGS = 6
"""Most connections that have not logged in yet: any user of the machine can open one."""
GREETING_BYTES = 12 * 2**20
"""Longest Bolt message. With GREETINGS it bounds what those who have not logged in can take of the heap."""

_LAYOUT = (
    "CREATE VERTEX TYPE Cell IF NOT EXISTS",
    "CREATE PROPERTY Cell.intensity IF NOT EXISTS ARRAY_OF_DOUBLES",
)
"""A declared array takes a third of the heap that a list of boxed numbers does. (The engine's EXTERNAL properties would
spare rewriting traces with each fit, but their cost grows with the square of a trace's length.)"""


RECORD, BEFORE = "files.json", "files.before.json"
"""What the folder's files are while no engine runs, and what they were before the one that runs."""
_NOT_RECORDED = (RECORD, BEFORE, "owner.lock", "endpoint.json")
"""With the logs: what belongs to an engine that runs, and tells nothing of the graph."""


class RefusedError(Exception):
    """The engine must not run; the text says why."""


class DamagedError(Exception):
    """The database cannot be opened; the text says why."""


class NoEngineError(Exception):
    """No engine is installed."""


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    answers = os.fdopen(os.dup(1), "w")
    folder, heap_mb = Path(sys.argv[1]), int(sys.argv[2])
    lock = try_lock(folder / "owner.lock")
    _answer(answers, {"held": lock is not None})
    if lock is None:
        return
    try:
        _print_to_file(folder / "log" / "engine.txt")
        arcadedb = load(folder, heap_mb)
        password = json.loads(sys.stdin.readline() or "null")
        if password is None:
            return
        open_record(folder)
        server, port = start(arcadedb, folder, password)
    except Exception as error:  # the package's error classes differ between its builds
        return _answer(answers, {"problem": type(error).__name__, "text": _first_line(error)})
    try:
        where = {"port": port, "version": str(arcadedb.__version__), "pid": os.getpid()}
        _write_private(folder / "endpoint.json", json.dumps(where))
        _answer(answers, where)
        for line in sys.stdin:
            if not line.strip():
                break
            _answer(answers, {"problem": explain_syntax(server, json.loads(line))})
    finally:
        # The lock goes last, with the process, so that no other one starts an engine beside this one.
        with contextlib.suppress(OSError):
            (folder / "endpoint.json").unlink(missing_ok=True)
        server.stop()
        with contextlib.suppress(OSError):  # a full disk: `verify` then says that nothing is recorded
            close_record(folder)


def _print_to_file(path: Path) -> None:
    """Have what the engine itself prints go to a file, made anew."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)


def try_lock(path: Path) -> IO[bytes] | None:
    """The open, locked file; None when another process holds it.

    Raises OSError if it cannot be opened, and ImportError where there are no such locks (Windows).
    """
    import fcntl

    file = path.open("r+b")
    try:
        # A record lock (lockf, not flock): a forked child does not inherit it, so it cannot outlive its process.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def open_record(folder: Path) -> None:
    """Before an engine starts: put the record of the files aside, with what was changed since while no engine ran."""
    record = read_record(folder / RECORD)
    if record is None:
        return
    for name, (size, when, digest) in record["files"].items():
        # A copied workspace has other times, so only the content can tell.
        if stamp_of(folder / name) != [size, when] and digest_of(folder / name) != digest:
            record["changed"][name] = digest
    write_record(folder / BEFORE, record["files"], record["changed"])
    (folder / RECORD).unlink()
    _flush(folder)  # else a power cut could bring it back, and the engine's own work would look like damage


def close_record(folder: Path) -> None:
    """After an engine has stopped: record what the files are; those that it left alone are not read again."""
    before = read_record(folder / BEFORE) or {"files": {}, "changed": {}}
    files = {}
    for name in recorded_names(folder):
        stamp, known = stamp_of(folder / name), before["files"].get(name)
        if known is None or known[:2] != stamp:
            _flush(folder / name)
            known = [*stamp, digest_of(folder / name)]
        files[name] = known
    write_record(folder / RECORD, files, before["changed"])
    (folder / BEFORE).unlink(missing_ok=True)


def recorded_names(folder: Path) -> list[str]:
    """The files of a graph's folder that a record has, by their paths inside it."""
    found = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in _NOT_RECORDED and not name.startswith((".", "log/")):
            found.append(name)
    return sorted(found)


def read_record(path: Path) -> dict[str, Any] | None:
    """A record: `files`, with size, time and SHA-256 of each, and `changed`, the digests of those that were changed
    while no engine ran. None where there is none; {} for one that is damaged itself.
    """
    try:
        record = json.loads(path.read_text())
        digest = record.pop("digest")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, AttributeError):
        return None if path.name != RECORD else {"files": {}, "changed": {RECORD: ""}}
    if digest != _digest_of_record(record):
        return {"files": {}, "changed": {RECORD: ""}}
    found: dict[str, Any] = record
    return found


def write_record(path: Path, files: dict[str, Any], changed: dict[str, str]) -> None:
    """Write a record, whole or not at all."""
    record: dict[str, Any] = {"files": files, "changed": changed}
    _write_private(path, json.dumps(record | {"digest": _digest_of_record(record)}))


def _digest_of_record(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def stamp_of(path: Path) -> list[int]:
    """Size and time of a file; both -1 where there is none."""
    try:
        status = path.stat()
    except OSError:
        return [-1, -1]
    return [status.st_size, status.st_mtime_ns]


def digest_of(path: Path) -> str:
    """SHA-256 of a file in hex digits; "" where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _flush(path: Path) -> None:
    """Have a file, or a folder's names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load(folder: Path, heap_mb: int) -> Any:
    """Import the engine with its settings in place: they are read once per process, at import."""
    settings = (
        # Ended at once, an engine without memory is started again by the next who needs it; gasping, it hangs them all.
        f"-Xmx{heap_mb}m -XX:+ExitOnOutOfMemoryError -Darcadedb.txWalFlush={FSYNC} "
        f"-Darcadedb.network.maxPreAuthConnections={GREETINGS} -Darcadedb.bolt.maxMessageSize={GREETING_BYTES}"
    )
    # The package has a native build and one for a Java virtual machine; each reads variables of its own.
    os.environ["ARCADEDB_NATIVE_ISOLATE_ARGS"] = settings
    os.environ["ARCADEDB_JVM_ARGS"] = f"{settings} {shlex.quote(_log_to_file(folder / 'log'))}"
    os.environ["ARCADEDB_LOG_CONSOLE"] = "0"
    os.environ["ARCADEDB_LOG_DIR"] = str(folder / "log")
    for name in ("arcadedb", "arcadedb_embedded"):
        with contextlib.suppress(ModuleNotFoundError):
            return importlib.import_module(name)
    raise NoEngineError


def start(arcadedb: Any, folder: Path, password: str) -> tuple[Any, int]:
    """Listen on a free loopback port, open or make the database, and make sure that commits are fsynced.

    Returns
    -------
    The server and its Bolt port.
    """
    # A killed engine's, where nobody listens any more, and the drafts that it left.
    places = (
        ".endpoint.json.*",
        ".files.*json.*",
        ".probe.*.tmp",
        "config/*.tmp",
        "databases/.*.tmp",
        "databases/*/*.tmp",
    )
    drafts = [left for place in places for left in folder.glob(place)]
    for left in (folder / "endpoint.json", *drafts):
        left.unlink(missing_ok=True)
    if not (folder / "created").exists():
        # The first start was broken off before its last step, so nothing has been stored yet.
        shutil.rmtree(folder / "databases", ignore_errors=True)
    server, port = _listen(arcadedb, folder, password)
    try:
        _open_database(server, folder)
    except BaseException:
        server.stop()
        raise
    return server, port


def _log_to_file(folder: Path) -> str:
    """A Java option that keeps the JVM build's log in `folder`; the native build needs only its variables."""
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


def _listen(arcadedb: Any, folder: Path, password: str) -> tuple[Any, int]:
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
        server = arcadedb.create_server(root_path=str(folder), root_password=password, config=config)
        try:
            server.start()
        except Exception as error:  # the package's error classes differ between its builds
            # Another program may have taken the port since it was found free.
            if attempt == PORTS - 1 or "Unable to listen" not in str(error):
                raise
        else:
            return server, port
    raise RefusedError("no free loopback port was found for the graph engine; close other programs and try again")


def _open_database(server: Any, folder: Path) -> None:
    """Open the database, or make it; who uses it marks by `created` that its schema is there (embedded.mark_whole)."""
    fresh = not (folder / "created").exists()
    database = server.create_database(DATABASE) if fresh else server.get_database(DATABASE)
    if fresh or fsync_level(database) != FSYNC:
        database.command("sql", f"ALTER DATABASE `arcadedb.txWalFlush` {FSYNC}")
        database.command("sql", f"ALTER DATABASE `arcadedb.command.timeout` {STATEMENT_LIMIT_MS}")
        for statement in _LAYOUT:
            database.command("sql", statement)
    # The engine opens a database whose schema file is broken, as an empty one.
    types = [json.loads(row.to_json()).get("name") for row in database.query("sql", "SELECT FROM schema:types")]
    if "Cell" not in types:
        raise DamagedError("it has lost its schema")
    level = fsync_level(database)
    if level != FSYNC:
        raise RefusedError(
            f"the graph engine does not flush its commits to disk (arcadedb.txWalFlush reads {level}, {FSYNC} is "
            "expected); refusing to write where a crash could lose data"
        )


def fsync_level(database: Any) -> int | None:
    """arcadedb.txWalFlush as the open database reports it; None when it does not say."""
    for row in database.query("sql", "SELECT FROM schema:database"):
        for setting in json.loads(row.to_json()).get("settings", []):
            if setting.get("key") == "arcadedb.txWalFlush":
                return int(setting["value"])
    return None


def explain_syntax(server: Any, text: str) -> str | None:
    """What is wrong with a Cypher text, in the engine's words; None when nothing is."""
    try:
        server.get_database(DATABASE).query("opencypher", "EXPLAIN " + text)
    except Exception as error:  # the package's error classes differ between its builds
        return _first_line(error).rpartition(" (caused by")[0].partition("Exception: ")[2] or _first_line(error)
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _answer(answers: IO[str], value: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        answers.write(json.dumps(value) + "\n")
        answers.flush()


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


if __name__ == "__main__":
    main()
