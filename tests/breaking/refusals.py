"""Disks that take no more, at every stage of every command that writes: `make full`.

From a random one of the numbered system calls on, all that take room fail as on a full disk (ENOSPC) or with a used-up
quota (EDQUOT), or all that write as on a disk that became read-only (EROFS). Where root may mount, disks that really
fill up come too. The command must say so in one line. After room is made, the same command carries on.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from breaking.disks import Disk, NoDisk
from breaking.kills import Kill, Soak, again, stages
from breaking.traced import Outcome, Server, why_not

ERRORS = ("ENOSPC", "EDQUOT", "EROFS")
MEGABYTES = 160
"""Of the disk that is filled: the graph wants 60 free for each commit."""


def refuse(soak: Soak, name: str, error: str) -> Kill:
    """Have calls fail from a random one on."""
    calls = len(soak.count(name).calls)
    soak.stage.fresh(name)
    at = soak.random.randrange(1, calls + 1)
    outcome = soak.server.do(replace(soak.job(name), at=at, error=error))
    outcome.hit = f"{error} from {outcome.hit}"
    wrong = unclear(outcome) or again(soak.stage, name)
    return Kill(name, soak.stage.engine, outcome, tuple(soak.seen_unlike(name)), wrong)


def fill(soak: Soak, disk: Disk, name: str, free: int) -> Kill:
    """Leave so many bytes of a disk, run the command, make room and run it again."""
    soak.count(name)
    soak.stage.fresh(name)
    with filled(disk.at, free):
        outcome = soak.server.do(soak.job(name))
    outcome.hit = f"{free // 1000} kB free"
    wrong = unclear(outcome) or again(soak.stage, name)
    return Kill(name, soak.stage.engine, outcome, tuple(soak.seen_unlike(name)), wrong)


@contextmanager
def filled(folder: Path, free: int) -> Iterator[None]:
    """Leave so many bytes of a disk in this context."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        room = os.statvfs(folder)
        size = max(1, room.f_bavail * room.f_frsize - free)
        while size > 0:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
                break
            except OSError:  # the list of its blocks needs room too
                size -= 2**16
    yield
    filler.unlink()


def unclear(outcome: Outcome) -> str:
    """What is wrong with how a command failed; empty where it did well or failed in one line."""
    if outcome.code == 0:
        return ""
    lines = outcome.stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("calcigraph: ")]
    if outcome.code != 1 or "Traceback" in outcome.stderr or len(errors) != 1 or lines[-1] != errors[0]:
        return f"code {outcome.code}, said: {outcome.stderr.strip()[-400:]}"
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what each command said; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="for each command and error")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", help="only these")
    given = parser.parse_args(arguments)
    reason = why_not()
    if reason:
        print(f"full: {reason}")
        return 1
    kills: list[Kill] = []
    with stages(["embedded"]) as found, Server() as server:
        soak = Soak(found[0], server, random.Random(given.seed))
        names = given.commands or list(found[0].words)
        for name in names:
            kills += [_told(refuse(soak, name, error)) for error in ERRORS for _ in range(given.rounds)]
        try:
            with Disk(found[0].folder, MEGABYTES) as disk:
                found[0].disk = disk.at
                soak = Soak(found[0], server, soak.random)
                for name in names:
                    kills += [_told(fill(soak, disk, name, free)) for free in (0, 30_000, 61 * 2**20, 64 * 2**20)]
        except NoDisk as error:
            print(f"full: no disk to fill: {error}")
    wrong = sum(not kill.well for kill in kills)
    print(f"{len(kills)} disks that took no more, {len(kills) - wrong} with nothing wrong")
    return int(wrong > 0)


def _told(kill: Kill) -> Kill:
    said = kill.outcome.stderr.strip().splitlines()[-1:] if kill.outcome.code else ["done"]
    print(f"{kill.command:18} {(kill.outcome.hit or '').rpartition('/')[2][:40]:40} {''.join(said)[:150]}", flush=True)
    kill.tell()
    return kill


if __name__ == "__main__":
    sys.exit(main())
