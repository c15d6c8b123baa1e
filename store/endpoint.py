"""Where the graph is: Neo4j when NEO4J_URI is set, else an embedded ArcadeDB inside the workspace.

Credentials come from the environment (NEO4J_USERNAME, NEO4J_PASSWORD), or from a file of the workspace that only its
owner can read. They appear in no message and no log.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from calcigraph.errors import GraphError, InputError
from calcigraph.store import embedded, engine
from calcigraph.store.credentials import ADMIN, READER
from calcigraph.store.database import own_database
from calcigraph.store.graph_files import copied, held
from calcigraph.store.location import Location

if TYPE_CHECKING:
    from neo4j import Driver, Session
    from neo4j.api import BookmarkManager

HEAP_MB = 384
"""Heap of the embedded engine: a fit of 10,000 cells of 361 frames, in one transaction, takes up to 250."""
LEAST_HEAP_MB = 64

_DRIVER_OPTIONS: dict[str, Any] = {
    "max_transaction_retry_time": 0.0,  # store.bolt retries, because it can also re-open the embedded engine
    "connection_timeout": 5.0,
    "notifications_min_severity": "OFF",
}


@dataclass
class Endpoint:
    """An open connection to a graph engine, made by `open_endpoint`."""

    driver: Driver
    """Of a user that may write."""
    reader: Driver
    """Of a user that can only read, on the embedded engine; on Neo4j `driver` itself."""
    database: str
    kind: Literal["embedded", "neo4j"]
    name: str
    """"arcadedb" or "neo4j"."""
    version: str
    """The engine's."""
    where: str
    """The folder, or the server's address without credentials, for messages."""
    folder: Path | None
    """The embedded engine's folder; None for a server."""
    release: Callable[[], None]
    """Gives back this process's use of an embedded engine that it started."""
    named: bool = True
    """Whether the user named the database; on the embedded engine there is only one."""
    read_only: bool = False
    """Whether it is a copy of a graph that may not be written."""
    port: int = 0
    """The embedded engine's; it deletes `endpoint.json` before it stops."""
    bookmarks: BookmarkManager | None = None
    """Of a server that may be a cluster: what was written last, which every later reader of this endpoint waits for."""

    def session(self, mode: str, driver: Driver | None = None) -> Session:
        """A session to READ or WRITE, of a user that may write or of the given driver's."""
        return (driver or self.driver).session(
            database=self.database, default_access_mode=mode, bookmark_manager=self.bookmarks
        )

    closed: bool = False

    def close(self) -> None:
        """Close the connections and, where this process runs the engine and nobody else uses it, stop it."""
        if self.closed:
            return
        self.closed = True
        with ExitStack() as stack:  # each of them is done, whatever the others raise
            stack.callback(self.release)
            stack.callback(self.driver.close)
            if self.reader is not self.driver:
                stack.callback(self.reader.close)


def chosen_heap_mb() -> int:
    """Heap of the embedded engine: $CALCIGRAPH_HEAP_MB, else 384 MB. Raises InputError for what is no such number."""
    text = os.environ.get("CALCIGRAPH_HEAP_MB", str(HEAP_MB))
    if not text.isdigit() or int(text) < LEAST_HEAP_MB:
        raise InputError(f"CALCIGRAPH_HEAP_MB is {text!r}: give the engine's heap in MB, {LEAST_HEAP_MB} or more")
    return int(text)


def open_endpoint(workspace: Location, heap_mb: int = HEAP_MB) -> Endpoint:
    """Connect to Neo4j if NEO4J_URI is set, else to the embedded engine in `<workspace>/graph`.

    Parameters
    ----------
    workspace
        The workspace's folder.
    heap_mb
        Heap of the embedded engine, MB, if this process starts it.

    Raises
    ------
    GraphError
        No server, the login was refused, no such database, or no engine.
    WorkspaceError
        The folder cannot be written or is damaged, or the disk is full.
    """
    uri = os.environ.get("NEO4J_URI", "")
    if uri:
        return _open_neo4j(uri)
    if not isinstance(workspace, Path):
        raise GraphError(f"workspace {workspace} has no graph: set NEO4J_URI to a Neo4j")
    folder = workspace / "graph"
    return _open_copy(folder, heap_mb) if folder.is_dir() and not _writable(folder) else _open_embedded(folder, heap_mb)


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK)


def _open_copy(folder: Path, heap_mb: int) -> Endpoint:
    """A graph on a read-only file system, or of somebody else: readers get a copy, as the engine writes where it is."""
    stack = ExitStack()
    try:
        stack.enter_context(held(folder))
        home = stack.enter_context(copied(folder))
        endpoint = _open_embedded(home / "graph", heap_mb)
    except BaseException:
        stack.close()
        raise

    def release() -> None:
        endpoint.release()
        stack.close()

    return replace(endpoint, release=release, where=str(folder), read_only=True)


def _open_embedded(folder: Path, heap_mb: int) -> Endpoint:
    def connect(address: embedded.Address) -> tuple[Driver, Driver]:
        importing.join()
        where = f"the graph engine of {folder}"
        login = [_login(address, name) for name in (ADMIN, READER)]
        neo4j = import_driver()
        uri = f"bolt://127.0.0.1:{address.port}"
        driver = neo4j.GraphDatabase.driver(uri, auth=login[0], **_DRIVER_OPTIONS)
        try:
            _verify(driver, engine.DATABASE, where, ours=True)
        except BaseException:
            driver.close()
            raise
        return driver, neo4j.GraphDatabase.driver(uri, auth=login[1], **_DRIVER_OPTIONS)

    importing = threading.Thread(target=import_driver, name="import neo4j")
    importing.start()  # while the engine starts in its process
    (driver, reader), address, own = embedded.attach(folder, heap_mb, connect)
    return Endpoint(
        driver=driver,
        reader=reader,
        database=engine.DATABASE,
        kind="embedded",
        name="arcadedb",
        version=address.version,
        where=str(folder),
        folder=folder,
        release=(lambda: embedded.detach(own)) if own is not None else (lambda: None),
        port=address.port,
    )


def _login(address: embedded.Address, name: str) -> tuple[str, str]:
    if name not in address.passwords:
        raise GraphError("the graph's credentials.json lacks a user; move the graph folder away and ingest again")
    return name, address.passwords[name]


def _open_neo4j(uri: str) -> Endpoint:
    neo4j = import_driver()
    where = address_without_login(uri)
    user, password = os.environ.get("NEO4J_USERNAME", "neo4j"), os.environ.get("NEO4J_PASSWORD")
    named = os.environ.get("NEO4J_DATABASE") or None
    try:
        if urlsplit(uri).scheme.partition("+")[0] not in ("bolt", "neo4j"):
            raise ValueError("not a Bolt scheme")
        auth = (user, password) if password is not None else None
        driver = neo4j.GraphDatabase.driver(uri, auth=auth, **_DRIVER_OPTIONS)
    except (neo4j.exceptions.DriverError, ValueError) as error:
        raise GraphError(
            f"NEO4J_URI does not name a Bolt server ({where}); expected something like bolt://localhost:7687 or "
            "neo4j+s://host, without user name or password"
        ) from error
    try:
        version = _verify(driver, named, where).rpartition("/")[2]
        database = named or _chosen(driver, where)
    except BaseException:
        driver.close()
        raise
    return Endpoint(
        driver=driver,
        reader=driver,
        database=database,
        kind="neo4j",
        name="neo4j",
        version=version,
        where=where,
        folder=None,
        release=lambda: None,
        named=named is not None,
        bookmarks=neo4j.GraphDatabase.bookmark_manager(),
    )


def _chosen(driver: Driver, where: str) -> str:
    """The database to use where the user named none."""
    neo4j = import_driver()
    try:
        return own_database(driver)
    except (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError, OSError) as error:
        raise connection_error(error, where, "neo4j") from error


def address_without_login(uri: str) -> str:
    """The server's address with any user name and password taken out.

    >>> address_without_login("neo4j+s://me:secret@host:7687/somewhere")
    'neo4j+s://host:7687'
    """
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{host}{port}" if parts.scheme and host else "an address without a scheme"


def _verify(driver: Driver, database: str | None, where: str, *, ours: bool = False) -> str:
    """Log in, reach the database, and return what the server calls itself."""
    neo4j = import_driver()
    try:
        with driver.session(database=database, default_access_mode="READ") as session:
            return str(session.execute_read(lambda tx: tx.run("RETURN 1").consume()).server.agent)
    except (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError, OSError) as error:
        raise connection_error(error, where, database or "neo4j", ours=ours) from error


def connection_error(error: Exception, where: str, database: str, *, ours: bool = False) -> GraphError:
    """The error that tells why the graph cannot be reached, by what the driver or the server said.

    ours: whether it is the embedded engine, which the user neither starts nor gives a login.
    """
    if ours:
        return GraphError(
            f"{where} does not answer: it may have run out of memory, or another program keeps its port busy; repeat "
            f"the command, with more than {HEAP_MB} in CALCIGRAPH_HEAP_MB if this comes again"
        )
    code = str(getattr(error, "code", "") or "")
    if ".Security." in code:
        return GraphError(
            f"{where} refused the login; check NEO4J_USERNAME and NEO4J_PASSWORD (user name and password of the server)"
        )
    if "DatabaseNotFound" in code:
        return GraphError(f"{where} has no database called {database}; create it, or set NEO4J_DATABASE to one it has")
    if "DatabaseUnavailable" in code:
        return GraphError(f"the database {database} of {where} is offline; start it and repeat the command")
    return GraphError(
        f"no Bolt server answers at {where}; start Neo4j there, or unset NEO4J_URI to use the embedded graph"
    )


def import_driver() -> Any:
    """The `neo4j` package, imported when a graph is first opened, and without the pandas it would pull in."""
    if "neo4j" in sys.modules:
        return sys.modules["neo4j"]
    with _without_optional_packages():
        import neo4j
        import neo4j.exceptions
    logging.getLogger("neo4j").addHandler(logging.NullHandler())  # without a handler, Python prints what it logs
    return neo4j


@contextmanager
def _without_optional_packages() -> Iterator[None]:
    """Let this thread import neo4j without pandas and pyarrow, which no query here needs: it saves half a second."""
    hider = _Hider(threading.get_ident())
    sys.meta_path.insert(0, hider)
    try:
        yield
    finally:
        sys.meta_path.remove(hider)


class _Hider:
    """A meta path finder that hides optional packages from one thread."""

    def __init__(self, thread: int) -> None:
        self._thread = thread

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name in ("pandas", "pyarrow") and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is not needed here", name=name)
        return None
