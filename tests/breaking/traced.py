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
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from breaking.calls import CALLS, ERRORS, OPEN, SOCKET, TAKES_ROOM, cut_power, path_of, stop_before_calls, where_of

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long
_CONT, _SETREGS, _GETREGS, _SEIZE = 7, 13, 12, 0x4206
_OPTIONS = 0x2 | 0x4 | 0x8 | 0x80 | 0x100000  # forks, vforks, clones, seccomp's stops; the traced die with the tracer
_SECCOMP_STOP = 7
_WALL = 0x40000000


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
    script = "from breaking import traced; import sys; sys.exit(traced.probe())"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[1], capture_output=True, timeout=60
    )
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
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[2:0:-1]))}
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
        tempfile.tempdir = job.environment.get("TMPDIR")  # without a file that tries whether it can be written
        os.read(ready, 1)
        stop_before_calls()
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
        path = path_of(thread, where, registers)
        if path is None or not self._counts(path, where, registers):
            return
        process = self.processes[thread]
        who = "command" if process == self.child else "engine"
        self.outcome.calls.append(f"{who} {name} {path}")
        if self.job.at is None or len(self.outcome.calls) < self.job.at:
            return
        if self.job.error is not None:
            self._fail(thread, "sendmsg" if path.startswith("socket:") else name, registers)
        elif len(self.outcome.calls) == self.job.at:
            self.outcome.hit = self.outcome.calls[-1]
            self._kill(process)

    def _counts(self, path: str, where: str, registers: Any) -> bool:
        if path.startswith("socket:"):
            return True
        if where == OPEN and os.path.exists(path):
            flags = registers[13 if registers[15] == 2 else 12]
            if not flags & os.O_TRUNC:
                return False  # it neither makes the file nor cuts it
        return any(path.startswith(root) for root in self.job.roots) and "/graph/log/" not in path

    def _fail(self, thread: int, name: str, registers: Any) -> None:
        if where_of(name) == SOCKET or (self.job.error != "EROFS" and name not in TAKES_ROOM):
            return
        if name in ("fsync", "fdatasync"):
            return
        self.outcome.hit = self.outcome.hit or self.outcome.calls[-1]
        registers[15] = 2**64 - 1  # no such call: it is not made
        registers[10] = 2**64 - ERRORS[str(self.job.error)]
        _libc.ptrace(_SETREGS, thread, None, registers)


def _process_of(thread: int) -> int:
    try:
        with open(f"/proc/{thread}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Tgid:"))
    except (OSError, StopIteration):
        return thread


if __name__ == "__main__":
    serve(sys.stdin, os.fdopen(os.dup(1), "w"))
