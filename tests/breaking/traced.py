"""Commands run under ptrace: every system call that writes is numbered, and the chosen one kills or fails.

All that writes is seen: the command, its threads, and the embedded engine's own process, for a seccomp filter that
children inherit stops each of them before such a call. What is counted writes to a file below one of the job's folders,
makes, renames, links, cuts or removes one, flushes one, or sends over a socket (a transaction on its way, or the answer
to it). The engine's own log files are left out. The number is of all processes and threads together, in the order in
which they come.

`python traced.py` is a server: it imports what commands import once, then reads a job as a line of JSON, forks, does it
and answers with a line of JSON. Linux on x86-64 only; needs nothing that Python does not have.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno as errors
import fcntl
import json
import os
import platform
import signal
import struct
import subprocess
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

_PATH, _TWO_PATHS, _AT, _TWO_AT, _FILE, _OPEN, _SOCKET = "path", "two paths", "at", "two at", "file", "open", "socket"
CALLS = {
    1: ("write", _FILE), 18: ("pwrite64", _FILE), 20: ("writev", _FILE), 296: ("pwritev", _FILE),
    328: ("pwritev2", _FILE), 326: ("copy_file_range", _FILE), 40: ("sendfile", _FILE), 285: ("fallocate", _FILE),
    77: ("ftruncate", _FILE), 74: ("fsync", _FILE), 75: ("fdatasync", _FILE), 44: ("sendto", _SOCKET),
    46: ("sendmsg", _SOCKET), 2: ("open", _OPEN), 257: ("openat", _OPEN), 76: ("truncate", _PATH),
    82: ("rename", _TWO_PATHS), 83: ("mkdir", _PATH), 84: ("rmdir", _PATH), 86: ("link", _TWO_PATHS),
    87: ("unlink", _PATH), 88: ("symlink", _TWO_PATHS), 258: ("mkdirat", _AT), 263: ("unlinkat", _AT),
    264: ("renameat", _TWO_AT), 265: ("linkat", _TWO_AT), 316: ("renameat2", _TWO_AT),
}  # fmt: skip
"""By number: the name, and where its file is told. A mapped file would write without a call; nothing here maps one."""
_MAKING = os.O_CREAT | os.O_TRUNC
_TAKES_ROOM = {"write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile", "fallocate",
               "open", "openat", "mkdir", "mkdirat", "link", "linkat", "symlink"}  # fmt: skip
"""What a full disk or a used-up quota refuses."""
_IN_TEXT = {"ENOSPC": errors.ENOSPC, "EDQUOT": errors.EDQUOT, "EROFS": errors.EROFS, "EIO": errors.EIO}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long
_CONT, _SETREGS, _GETREGS, _SEIZE = 7, 13, 12, 0x4206
_OPTIONS = 0x2 | 0x4 | 0x8 | 0x80 | 0x100000  # forks, vforks, clones, seccomp's stops; the traced die with the tracer
_SECCOMP_STOP = 7
_WALL = 0x40000000
_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN."""


@dataclass(frozen=True)
class Job:
    """One run of a command."""

    words: list[str]
    roots: list[str]
    """Folders in which what writes is counted."""
    folder: str
    """The current folder."""
    environment: dict[str, str] = field(default_factory=dict)
    at: int | None = None
    """Number of the call, from 1, before which something happens; None: nothing does."""
    after: float | None = None
    """Seconds after which it happens instead."""
    error: str | None = None
    """ENOSPC, EDQUOT, EROFS: this call and all later ones fail so. None: processes are killed."""
    victims: str = "writer"
    """Who is killed: the process that makes the call (`writer`), the `command`, or `all`."""
    cut: str | None = None
    """A mounted ext4 whose power is cut at that moment: what its kernel has not written to the disk is lost."""
    longest: float = 120.0
    """Seconds after which it hangs, and all are killed."""


@dataclass
class Outcome:
    """What came of it."""

    code: int | None = None
    """Exit code of the command; minus the signal that ended it."""
    calls: list[str] = field(default_factory=list)
    """What was counted: "command|engine call path"."""
    hit: str | None = None
    """The call, or the moment, at which it happened."""
    hung: bool = False
    seconds: float = 0.0
    stderr: str = ""
    peak_mb: float = 0.0


def why_not() -> str | None:
    """Why commands cannot be traced here; None where they can."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "system calls are counted on Linux on x86-64 only"
    script = "import traced, sys; sys.exit(traced.probe())"
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parent, capture_output=True, timeout=60)
    return None if done.returncode == 0 else "a process may not trace another here (ptrace with seccomp)"


def probe() -> int:
    """0 where tracing works, tried on a process that writes one file."""
    folder = f"/tmp/probe-{os.getpid()}"
    os.mkdir(folder)
    try:
        outcome = _forked(lambda: os.close(os.open(f"{folder}/a", os.O_CREAT | os.O_WRONLY)), Job([], [folder], "/"))
    finally:
        Path(folder, "a").unlink(missing_ok=True)
        os.rmdir(folder)
    return int(not (outcome.code == 0 and len(outcome.calls) == 1))


class Server:
    """The process that does jobs. A context manager."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path[:0]])}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def do(self, job: Job) -> Outcome:
        """Run one command."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def serve(source: IO[str], answers: IO[str]) -> None:
    """Do the jobs that come, one a line."""
    _import_all()
    for line in source:
        job = Job(**json.loads(line))
        reading, writing = os.pipe()
        tracer = os.fork()
        if tracer == 0:
            os.close(reading)
            with os.fdopen(writing, "w") as pipe:
                pipe.write(json.dumps(asdict(_forked(lambda: _command(job), job))))  # noqa: B023
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            answer = pipe.read()
        os.waitpid(tracer, 0)
        answers.write(answer + "\n")
        answers.flush()


def _import_all() -> None:
    """Import what commands import, so that each fork begins with the work."""
    import pandas  # noqa: F401

    from calcigraph.store.endpoint import import_driver

    import_driver()


def _command(job: Job) -> int:
    """The command itself, in a process of its own."""
    from calcigraph.cli.app import main

    code = 0
    try:
        main(job.words)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 99
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _forked(work: Any, job: Job) -> Outcome:
    """Fork, do `work` there, and watch what it and its children write."""
    ready, go = os.pipe()
    said = os.memfd_create("said")
    child = os.fork()
    if child == 0:
        os.close(go)
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for target, source in ((0, null), (1, null), (2, said)):
            os.dup2(source, target)
        os.chdir(job.folder)
        os.environ.update(job.environment)
        os.read(ready, 1)
        _filter()
        code = 98
        with contextlib.suppress(BaseException):
            code = work() or 0
        os._exit(code)
    os.close(ready)
    if _libc.ptrace(_SEIZE, child, None, ctypes.c_void_p(_OPTIONS)) < 0:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return Outcome(code=97)
    os.write(go, b"x")
    os.close(go)
    outcome = _Watched(child, job).outcome
    outcome.stderr = os.pread(said, 100_000, 0).decode(errors="replace")
    return outcome


class _Watched:
    """A traced command from its start to the end of the last of its processes."""

    def __init__(self, child: int, job: Job) -> None:
        self.child, self.job, self.outcome = child, job, Outcome()
        self.processes: dict[int, int] = {child: child}
        """By thread: its process."""
        self._began = time.monotonic()
        signal.signal(signal.SIGALRM, self._time)
        signal.setitimer(signal.ITIMER_REAL, job.after or job.longest)
        while self._next():
            pass
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _time(self, *_: object) -> None:
        if self.job.after is not None and self.outcome.hit is None:
            self.outcome.hit = f"after {self.job.after:.2f} s"
            self._kill(self.child)
            signal.setitimer(signal.ITIMER_REAL, self.job.longest)
            return
        self.outcome.hung = True
        for process in set(self.processes.values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _kill(self, writer: int) -> None:
        if self.job.cut is not None:
            cut_power(self.job.cut)
        victims = {"writer": {writer}, "command": {self.child}, "all": set(self.processes.values())}[self.job.victims]
        for process in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _next(self) -> bool:
        try:
            thread, status = os.waitpid(-1, _WALL)
        except ChildProcessError:
            return False
        if not os.WIFSTOPPED(status):
            if thread == self.child:
                self.outcome.code = os.waitstatus_to_exitcode(status)
                self.outcome.seconds = time.monotonic() - self._began
            self.processes.pop(thread, None)
            return True
        event, number = status >> 16, os.WSTOPSIG(status)
        if thread not in self.processes:
            self.processes[thread] = _process_of(thread)
        if event == _SECCOMP_STOP:
            self._writing(thread)
        deliver = 0 if event else number
        _libc.ptrace(_CONT, thread, None, ctypes.c_void_p(deliver))
        return True

    def _writing(self, thread: int) -> None:
        """A thread is about to make a call that writes."""
        registers = (ctypes.c_ulonglong * 27)()
        if _libc.ptrace(_GETREGS, thread, None, registers) < 0:
            return
        name, where = CALLS[registers[15]]
        path = _path(thread, where, registers)
        if path is None or not self._counts(path, where, registers):
            return
        process = self.processes[thread]
        who = "command" if process == self.child else "engine"
        self.outcome.calls.append(f"{who} {name} {path}")
        if self.job.at is None or len(self.outcome.calls) < self.job.at:
            return
        if self.job.error is not None:
            self._fail(thread, name, registers)
        elif len(self.outcome.calls) == self.job.at:
            self.outcome.hit = self.outcome.calls[-1]
            self._kill(process)

    def _counts(self, path: str, where: str, registers: Any) -> bool:
        if path.startswith("socket:"):
            return True
        if where == _OPEN and os.path.exists(path):
            flags = registers[13 if registers[15] == 2 else 12]
            if not flags & os.O_TRUNC:
                return False  # it neither makes the file nor cuts it
        return any(path.startswith(root) for root in self.job.roots) and "/graph/log/" not in path

    def _fail(self, thread: int, name: str, registers: Any) -> None:
        if where_of(name) == _SOCKET or (self.job.error != "EROFS" and name not in _TAKES_ROOM):
            return
        if name in ("fsync", "fdatasync"):
            return
        self.outcome.hit = self.outcome.hit or self.outcome.calls[-1]
        registers[15] = 2**64 - 1  # no such call: it is not made
        registers[10] = 2**64 - _IN_TEXT[str(self.job.error)]
        _libc.ptrace(_SETREGS, thread, None, registers)


def cut_power(mounted: str) -> None:
    """Have an ext4 write nothing more to its disk, not even its journal. Needs root."""
    handle = os.open(mounted, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", 2))
    finally:
        os.close(handle)


def where_of(name: str) -> str:
    """How a call tells its file."""
    return next(where for each, where in CALLS.values() if each == name)


def _process_of(thread: int) -> int:
    try:
        with open(f"/proc/{thread}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Tgid:"))
    except (OSError, StopIteration):
        return thread


def _path(thread: int, where: str, registers: Any) -> str | None:
    """The file that a call is about; its new name where it has two; "socket:..." for one."""
    arguments = [registers[place] for place in (14, 13, 12, 7, 9, 8)]
    try:
        if where in (_FILE, _SOCKET):
            place = int(arguments[0])
            if registers[15] == 326:  # copy_file_range: the second file is the one written
                place = int(arguments[2])
            path = os.readlink(f"/proc/{thread}/fd/{place}")
            return path if (where == _FILE) == path.startswith("/") else None
        if where == _OPEN:
            text = _text(thread, arguments[0 if registers[15] == 2 else 1])
            base = -100 if registers[15] == 2 else ctypes.c_int(arguments[0] & 0xFFFFFFFF).value
        elif where in (_PATH, _TWO_PATHS):
            text, base = _text(thread, arguments[1 if where == _TWO_PATHS else 0]), -100
        else:
            place = 2 if where == _TWO_AT else 0
            text = _text(thread, arguments[place + 1])
            base = ctypes.c_int(arguments[place] & 0xFFFFFFFF).value
        if text.startswith("/"):
            return text
        start = os.readlink(f"/proc/{thread}/cwd" if base == -100 else f"/proc/{thread}/fd/{base}")
        return os.path.normpath(os.path.join(start, text))
    except OSError:
        return None


def _text(thread: int, address: int) -> str:
    """A string in the memory of a traced thread."""
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        found = b""
        while b"\0" not in found:
            # A page at a time: what follows the string may not be mapped.
            piece = memory.read(4096 - (address + len(found)) % 4096)
            if not piece:
                break
            found += piece
    return found.partition(b"\0")[0].decode(errors="replace")


def _filter() -> None:
    """From now on this process and its children stop before each of CALLS; they gain no rights by programs they run."""

    def step(code: int, yes: int, no: int, value: int) -> bytes:
        return struct.pack("HBBI", code, yes, no, value)

    load, equal, any_bit, answer = 0x20, 0x15, 0x45, 0x06
    trace, allow = 0x7FF00000, 0x7FFF0000
    steps = [step(load, 0, 0, 0)]
    for number, (_, where) in CALLS.items():
        if where != _OPEN:
            steps += [step(equal, 0, 1, number), step(answer, 0, 0, trace)]
    for number, flags in ((2, 24), (257, 32)):  # opening is seen only where it may make or cut a file
        steps += [step(equal, 0, 4, number), step(load, 0, 0, flags), step(any_bit, 0, 1, _MAKING)]
        steps += [step(answer, 0, 0, trace), step(answer, 0, 0, allow)]
    steps.append(step(answer, 0, 0, allow))
    program = b"".join(steps)
    held = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(held))
    told = ctypes.create_string_buffer(head, len(head))
    if _libc.prctl(38, 1, 0, 0, 0) or _libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(told)), 0, 0):
        os._exit(96)


if __name__ == "__main__":
    serve(sys.stdin, os.fdopen(os.dup(1), "w"))
