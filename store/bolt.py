"""Transactions over Bolt: repeated where that can help, on a new connection if need be, else one line on what failed.

The embedded engine ends with the process that started it, its owner, or when its memory ends. Then the next who needs
it starts another one (store/embedded.py), and open connections have to be made again.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from calcigraph.errors import CalcigraphError, GraphError, InputError, LimitError, ReadOnlyError, WorkspaceError
from calcigraph.store import embedded, room
from calcigraph.store.endpoint import Endpoint, connection_error, import_driver, open_endpoint
from calcigraph.store.location import Location
from calcigraph.store.lost import is_lost, owner_ended, pause
from calcigraph.store.refused import UNSAID, code_of, message_of, refusal, slow

if TYPE_CHECKING:
    from neo4j import ManagedTransaction, Transaction

log = logging.getLogger(__name__)

RETRY_S = 30.0
"""How long a transaction is retried after conflicts."""
RESTART_S = 120.0
"""How long a server that was lost is waited for: one that was killed reads its log before it answers again."""
OWNERS = 8
"""Attempts while the processes that run the embedded engine end, one after the other, during one transaction."""
CRASHES = 3
"""Engines that one transaction may outlive: when so many run out of memory, it is the cause."""
DUPLICATES = 5
"""Attempts after a violated constraint: two MERGEs of one node at once cause it, and the driver does not retry them."""
RESULT_MB = 1024
"""Memory that the result of a user's query may take here."""
PAGE_MB = mmap.PAGESIZE / 2**20
LOOK_S = 0.1
"""How often that is looked at."""
EXPLAIN_S = 30.0
"""Longest time for EXPLAIN: a server may compute what is constant in a query as it plans."""

_FROZEN = "its file system is read-only, or it is somebody else's; use another workspace, with --workspace DIR"
_LARGE = f"the result of the query takes more than {RESULT_MB} MB and was ended; ask for less, or add a LIMIT"
_WRITES = "the query would write or reach outside the graph; queries may only read"

Result = TypeVar("Result")
Row = dict[str, Any]


class Bolt:
    """One workspace's connection to its graph. Thread-safe; never pass it to another process.

    Parameters
    ----------
    workspace
        The workspace's folder.
    heap_mb
        Heap of the embedded engine, MB.

    Raises
    ------
    GraphError, WorkspaceError
        As `open_endpoint`.
    """

    def __init__(self, workspace: Location, heap_mb: int) -> None:
        self._workspace = workspace
        self._heap_mb = heap_mb
        self._guard = threading.Lock()
        self._closed = False
        self.endpoint: Endpoint = open_endpoint(workspace, heap_mb)
        self.frozen = False
        """Whether writes are refused: the graph is a copy of one that may not be written."""

    def close(self) -> None:
        """Close the connection; this stops the embedded engine if nobody else in this process uses it."""
        with self._guard:
            self._closed = True
            self.endpoint.close()

    def require_room(self) -> None:
        """Raise WorkspaceError unless the embedded engine's disk has room for a commit."""
        if self.endpoint.folder is not None:
            room.require_room(self.endpoint.folder)

    def require_writable(self) -> None:
        """Raise WorkspaceError where what a command finds could not be stored: for before its work begins."""
        self._require_thawed()
        self.require_room()

    def _require_thawed(self) -> None:
        if self.frozen:
            raise WorkspaceError(f"the graph in {self.endpoint.where} may only be read: {_FROZEN}")

    def _blame_disk(self) -> None:
        """Raise WorkspaceError where the disk is why the embedded engine could not do something."""
        if self.endpoint.folder is not None:
            room.require_writable(self.endpoint.folder)

    def run(self, work: Callable[[ManagedTransaction], Result], *, write: bool) -> Result:
        """Do `work` in one transaction and return what it returns.

        Parameters
        ----------
        work
            Called with the transaction. It may be called again, so it must be idempotent.
        write
            Whether it may write.

        Raises
        ------
        GraphError
            The server is lost for good, refuses the login, or ran out of memory.
        WorkspaceError
            The disk is full.
        InputError
            A statement is not valid Cypher.
        """
        if write:
            self._require_thawed()
        neo4j = import_driver()
        failed, attempt, crashes = 0.0, 0, 0
        while True:
            endpoint = self.endpoint
            try:
                mode = "WRITE" if write else "READ"
                with endpoint.session(mode) as session:
                    return session.execute_write(work) if write else session.execute_read(work)
            except CalcigraphError:
                raise  # some of them are OSErrors too, which the next line would take for a lost server
            except (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError, OSError) as error:
                attempt += 1
                failed = failed or time.monotonic()
                if self._crashed(error, endpoint):
                    crashes += 1
                    if crashes >= CRASHES:
                        self._blame_disk()
                        raise self._no_memory() from error
                self._recover(error, endpoint, attempt, time.monotonic() - failed)

    def rows(self, text: str, parameters: Mapping[str, Any], *, write: bool) -> list[Row]:
        """One statement in one transaction; rows as dicts in the engine's own values."""
        log.debug("%s", text)
        return self.run(lambda tx: rows_of(tx, text, **parameters), write=write)

    def read_only(
        self, text: str, parameters: Mapping[str, Any], timeout_s: float, row_limit: int
    ) -> tuple[list[str], list[list[Any]]]:
        """See Graph.read_only."""
        columns, rows = self._watched(
            lambda stop, held: self._read_only(text, parameters, timeout_s, row_limit, stop, held), timeout_s
        )
        return columns, rows

    def _watched(self, work: Callable[[threading.Event, list[Any]], Result], timeout_s: float) -> Result:
        """Do `work` for so long at most, and with so much memory; it is given a sign to stop, and notes its session.

        In a thread of its own, because the driver cannot be interrupted while it waits for the server.
        """
        outcome: list[Any] = []
        held: list[Any] = []
        stop = threading.Event()

        def do() -> None:
            try:
                outcome.append(work(stop, held))
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=do, daemon=True, name="user query")
        begun, before, large = time.monotonic(), memory_mb(), False
        thread.start()
        # The server's own time limit is the same, where it has one: a second more lets that speak first.
        while thread.is_alive() and not large and time.monotonic() - begun < timeout_s + 1:
            thread.join(LOOK_S)
            large = memory_mb() - before > RESULT_MB
        stop.set()
        if not outcome:
            self._abandon(held)
            raise LimitError(_LARGE if large else slow(timeout_s))
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]  # type: ignore[no-any-return]

    def _abandon(self, held: list[Any]) -> None:
        """End what cannot be told to end one statement: the embedded engine, or the connection to a server."""
        endpoint = self.endpoint
        if endpoint.folder is not None:
            embedded.end(endpoint.folder, endpoint.port)
        for session in held[-1:]:
            # The driver has no way to do this from another thread. Without these names the server's own limit is left.
            connection = getattr(getattr(session, "_connection", None), "socket", None)
            own = getattr(connection, "_socket", None)
            with contextlib.suppress(OSError, AttributeError):
                own.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]

    def _read_only(
        self, text: str, parameters: Mapping[str, Any], timeout_s: float, row_limit: int, stop: threading.Event,
        held: list[Any],
    ) -> tuple[list[str], list[list[Any]]]:  # fmt: skip
        deadline = time.monotonic() + timeout_s

        def work(transaction: Transaction) -> tuple[list[str], list[list[Any]]]:
            result = transaction.run(text, dict(parameters))
            rows: list[list[Any]] = []
            for record in result:
                rows.append(record.values())
                if len(rows) > row_limit:
                    raise LimitError(f"the query returns more than {row_limit} rows; add a LIMIT or aggregate")
                if time.monotonic() > deadline or stop.is_set():
                    raise LimitError(slow(timeout_s))
            # The transaction is rolled back in any case; the author must hear that nothing was written.
            if "w" in str(result.consume().query_type):
                raise ReadOnlyError(_WRITES)
            return list(result.keys()), rows

        return self._rolled_back(work, text, timeout_s, deadline, held)

    def explain_type(self, text: str, parameters: Mapping[str, Any]) -> str:
        """The query type that EXPLAIN reports: "r", "w", "rw" or "s"."""

        def work(transaction: Transaction) -> str:
            return str(transaction.run("EXPLAIN " + text, dict(parameters)).consume().query_type)

        def explain(_: threading.Event, held: list[Any]) -> str:
            return self._rolled_back(work, text, EXPLAIN_S, time.monotonic() + EXPLAIN_S, held, explained=True)

        return self._watched(explain, EXPLAIN_S)

    def _rolled_back(
        self,
        work: Callable[[Transaction], Result],
        text: str,
        timeout_s: float,
        deadline: float,
        held: list[Any],
        explained: bool = False,
    ) -> Result:
        """Do `work` in a transaction that is never committed; again on a new connection if the engine's owner ended."""
        neo4j = import_driver()
        attempt, crashes = 0, 0
        while True:
            attempt += 1
            endpoint = self.healed()
            try:
                with endpoint.session("READ", endpoint.reader) as session:
                    held.append(session)
                    transaction = session.begin_transaction(timeout=timeout_s)
                    try:
                        return work(transaction)
                    finally:
                        transaction.close()  # rolls back
            except CalcigraphError:
                raise
            except (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError, OSError) as error:
                crashes += self._crashed(error, endpoint)
                if crashes > 1:  # the first time, another's statement may have been the cause
                    raise LimitError(
                        f"the query needs more memory than the graph engine has ({self._heap_mb} MB) and was ended; "
                        "ask for less, add a LIMIT, or set CALCIGRAPH_HEAP_MB to more"
                    ) from error
                again = endpoint.kind == "embedded" and attempt < OWNERS and time.monotonic() < deadline
                if again and owner_ended(error, endpoint):
                    self._reopen(endpoint)
                    continue
                raise self._user_error(error, endpoint, text, timeout_s, deadline, explained) from error

    def healed(self) -> Endpoint:
        """The endpoint, opened again first if the process that ran the embedded engine has ended."""
        if self.endpoint.kind == "embedded":
            self.run(lambda tx: tx.run("RETURN 1").consume(), write=False)
        return self.endpoint

    def _recover(self, error: Exception, endpoint: Endpoint, attempt: int, elapsed: float) -> None:
        """Return when a transaction that failed first so long ago should be tried again, else raise what went wrong."""
        code = code_of(error)
        # Another made the same node, or the same index although the text says IF NOT EXISTS: the next try finds it.
        made = "ConstraintValidationFailed" in code or (".Schema." in code and "AlreadyExists" in code)
        if attempt <= DUPLICATES and (made or UNSAID in message_of(error, longest=None)):
            return pause(attempt)
        # A conflict with another writer: the server asks for another attempt, and the connection is as good as before.
        if "TransactionTimedOut" not in code and getattr(error, "is_retryable", lambda: False)() and not is_lost(error):
            if elapsed > RETRY_S:
                raise GraphError(
                    f"{endpoint.where} kept refusing a transaction for {RETRY_S:.0f} s because others write there; "
                    "repeat the command when it is quieter"
                ) from error
            return pause(attempt)
        if endpoint.kind == "embedded" and attempt < OWNERS and owner_ended(error, endpoint):
            return self._reopen(endpoint)
        if is_lost(error):
            if endpoint.kind == "neo4j" and elapsed < RESTART_S:
                # A server that starts again takes seconds, so the pauses begin longer than after a conflict.
                return pause(attempt + 3)
            raise GraphError(
                f"the connection to {endpoint.where} was lost and could not be made again; nothing is half-written, "
                "and the same command finishes the work when the server is back"
            ) from error
        raise self._failure(error, endpoint) from error

    def _failure(self, error: Exception, endpoint: Endpoint) -> CalcigraphError:
        """What to tell of a transaction that another attempt would not help."""
        code = code_of(error)
        if ".Security." in code or "DatabaseNotFound" in code or "DatabaseUnavailable" in code:
            return connection_error(error, endpoint.where, endpoint.database, ours=endpoint.kind == "embedded")
        self._blame_disk()
        # A transaction that does not fit the heap is dropped; what is sent next then finds none of that number.
        if endpoint.folder is not None and "TransactionNotFound" in code:
            return self._no_memory()
        if isinstance(error, import_driver().exceptions.ClientError) and ".Statement." in code:
            return InputError(f"the query was refused: {message_of(error)}")
        return GraphError(f"{endpoint.where} failed to run a transaction ({message_of(error)})")

    def _no_memory(self) -> GraphError:
        return GraphError(
            "the graph engine ran out of memory in one transaction; nothing was changed: set CALCIGRAPH_HEAP_MB to "
            f"more than its {self._heap_mb} MB of heap and repeat the command"
        )

    @staticmethod
    def _crashed(error: Exception, endpoint: Endpoint) -> bool:
        """Whether the embedded engine has ended in the middle of a transaction, not by its owner's end."""
        return endpoint.folder is not None and is_lost(error) and embedded.crashed(endpoint.folder, endpoint.port)

    def _reopen(self, broken: Endpoint) -> None:
        """Replace a broken endpoint once, however many threads notice."""
        with self._guard:
            if self._closed:
                raise GraphError("the graph was closed while a query was under way")
            if self.endpoint is broken:
                log.info("the process that ran the graph engine has ended; opening the graph again")
                with contextlib.suppress(Exception):  # of connections that are broken
                    broken.close()
                self.endpoint = open_endpoint(self._workspace, self._heap_mb)

    def _user_error(
        self, error: Exception, endpoint: Endpoint, text: str, timeout_s: float, deadline: float, explained: bool
    ) -> CalcigraphError:
        """What to tell the author of a query that failed."""
        code = code_of(error)
        if "TransactionTimedOut" in code or "Terminated" in code or time.monotonic() > deadline:
            return LimitError(slow(timeout_s))
        if is_lost(error):
            return GraphError(f"the connection to {endpoint.where} was lost while the query ran; repeat it")
        if "Security.Forbidden" in code or "AccessMode" in code:
            return ReadOnlyError(_WRITES)
        # Over Bolt the embedded engine gives only a code, so the words must come from elsewhere.
        if endpoint.folder is not None and ("SyntaxError" in code or "SemanticError" in code):
            message = embedded.explain_syntax(endpoint.folder, text) or ""
            if message or "SyntaxError" in code:
                return InputError(refusal(message or "its syntax is wrong", text))
        if "ParameterMissing" in code and endpoint.kind == "embedded":
            message = "it uses a parameter that was not given"
        elif "ArithmeticError" in code and endpoint.kind == "embedded":
            message = "it divides by zero, or a number becomes too large"
        elif endpoint.kind == "embedded" and code:
            message = (
                f"the engine could not run it ({code.rpartition('.')[2]}); most often it collects or sorts more than "
                f"500,000 values, or uses values of a wrong kind; {endpoint.folder}/log has the details"
            )
        else:
            message = message_of(error, longest=None)  # the place stands at the end of it
        return InputError(refusal(message, text, explained))


def memory_mb() -> float:
    """Memory that this process has; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * PAGE_MB
    except OSError:
        return 0.0


class _Many(list[Any]):
    """A list with a short text: the driver makes the text of all it sends, for a log that nobody may read.

    Of a million numbers that takes longer than all else that the driver does with them.
    """

    def __repr__(self) -> str:
        return f"[{len(self)} items]"


def rows_of(transaction: ManagedTransaction, text: str, **parameters: Any) -> list[Row]:
    """Run one statement inside a transaction and return its rows."""
    sent = {name: _Many(value) if type(value) is list else value for name, value in parameters.items()}
    result = transaction.run(text, sent)
    names = result.keys()
    return [dict(zip(names, record.values(), strict=True)) for record in result]
