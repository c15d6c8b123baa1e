"""System calls that write, on Linux on x86-64: their numbers, the files they are about, and a filter that sees them."""

from __future__ import annotations

import ctypes
import errno as errors
import fcntl
import os
import struct
from typing import Any

_PATH, _TWO_PATHS, _AT, _TWO_AT, FILE, OPEN, SOCKET = "path", "two paths", "at", "two at", "file", "open", "socket"
CALLS = {
    1: ("write", FILE), 18: ("pwrite64", FILE), 20: ("writev", FILE), 296: ("pwritev", FILE),
    328: ("pwritev2", FILE), 326: ("copy_file_range", FILE), 40: ("sendfile", FILE), 285: ("fallocate", FILE),
    77: ("ftruncate", FILE), 74: ("fsync", FILE), 75: ("fdatasync", FILE), 44: ("sendto", SOCKET),
    46: ("sendmsg", SOCKET), 2: ("open", OPEN), 257: ("openat", OPEN), 76: ("truncate", _PATH),
    82: ("rename", _TWO_PATHS), 83: ("mkdir", _PATH), 84: ("rmdir", _PATH), 86: ("link", _TWO_PATHS),
    87: ("unlink", _PATH), 88: ("symlink", _TWO_PATHS), 258: ("mkdirat", _AT), 263: ("unlinkat", _AT),
    264: ("renameat", _TWO_AT), 265: ("linkat", _TWO_AT), 316: ("renameat2", _TWO_AT),
}  # fmt: skip
"""By number: the name, and where its file is told. A mapped file would write without a call; nothing here maps one."""
_MAKING = os.O_CREAT | os.O_TRUNC
TAKES_ROOM = {"write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile", "fallocate",
               "open", "openat", "mkdir", "mkdirat", "link", "linkat", "symlink"}  # fmt: skip
"""What a full disk or a used-up quota refuses."""
ERRORS = {"ENOSPC": errors.ENOSPC, "EDQUOT": errors.EDQUOT, "EROFS": errors.EROFS, "EIO": errors.EIO}


_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN."""
_libc = ctypes.CDLL(None, use_errno=True)


def where_of(name: str) -> str:
    """How a call tells its file."""
    return next(where for each, where in CALLS.values() if each == name)


def path_of(thread: int, where: str, registers: Any) -> str | None:
    """The file that a call is about; its new name where it has two; "socket:..." for one."""
    arguments = [registers[place] for place in (14, 13, 12, 7, 9, 8)]
    try:
        if where in (FILE, SOCKET):
            place = int(arguments[0])
            if registers[15] == 326:  # copy_file_range: the second file is the one written
                place = int(arguments[2])
            path = os.readlink(f"/proc/{thread}/fd/{place}")
            sent = path.startswith("socket:") and registers[15] == 20  # obstore sends its requests by writev
            return path if (where == FILE) == path.startswith("/") or sent else None
        if where == OPEN:
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


def stop_before_calls() -> None:
    """From now on this process and its children stop before each of CALLS; they gain no rights by programs they run."""

    def step(code: int, yes: int, no: int, value: int) -> bytes:
        return struct.pack("HBBI", code, yes, no, value)

    load, equal, any_bit, answer = 0x20, 0x15, 0x45, 0x06
    trace, allow = 0x7FF00000, 0x7FFF0000
    steps = [step(load, 0, 0, 0)]
    for number, (_, where) in CALLS.items():
        if where != OPEN:
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


def cut_power(mounted: str) -> None:
    """Have an ext4 write nothing more to its disk, not even its journal. Needs root."""
    handle = os.open(mounted, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", 2))
    finally:
        os.close(handle)
