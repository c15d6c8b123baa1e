"""Power cuts of every command that writes: `make power`.

The workspace is on an ext4 of its own, in a file, that the kernel flushes only when it is told to. Its power is cut
right after a command reported success: then all of it must be there. Or before a random one of the system calls that
write: then the same command must finish the work. Needs root, for the mount.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from breaking.disks import Disk, NoDisk
from breaking.kills import Kill, Soak, again, stages
from breaking.traced import Server, why_not

MEGABYTES = 200


def after_success(soak: Soak, disk: Disk, name: str) -> Kill:
    """Cut the power when the command has ended well: nothing may be missing, without a second run."""
    soak.count(name)
    soak.stage.fresh(name)
    disk.flush()
    outcome = soak.server.do(soak.job(name))
    disk.cut()
    outcome.hit = "after success"
    complaint = disk.back()
    wrong = complaint or ("" if outcome.code == 0 else f"code {outcome.code}: {outcome.stderr[-200:]}")
    return Kill(name, soak.stage.engine, outcome, tuple(soak.seen_unlike(name)), wrong)


def in_the_middle(soak: Soak, disk: Disk, name: str) -> Kill:
    """Cut the power before a random call; the same command then carries on."""
    calls = len(soak.count(name).calls)
    soak.stage.fresh(name)
    disk.flush()
    job = replace(soak.job(name), at=soak.random.randrange(1, calls + 1), victims="all", cut=str(disk.at))
    outcome = soak.server.do(job)
    if outcome.hit is None:
        disk.cut()
    complaint = disk.back()
    wrong = again(soak.stage, name)
    return Kill(name, soak.stage.engine, outcome, tuple(soak.seen_unlike(name)), complaint or wrong)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each command; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", help="only these")
    given = parser.parse_args(arguments)
    reason = why_not()
    kills: list[Kill] = []
    begun = time.monotonic()
    try:
        with stages(["embedded"]) as found, Server() as server, Disk(found[0].folder, MEGABYTES) as disk:
            if reason:
                raise NoDisk(reason)
            found[0].disk = disk.at
            soak = Soak(found[0], server, random.Random(given.seed))
            names = given.commands or list(found[0].words)
            for number in range(given.rounds):
                name, way = names[number // 2 % len(names)], (after_success, in_the_middle)[number % 2]
                kills.append(way(soak, disk, name))
                kills[-1].tell()
    except NoDisk as error:
        print(f"power: {error}")
        return 1
    for name in dict.fromkeys(kill.command for kill in kills):
        these = [kill for kill in kills if kill.command == name]
        success = [kill for kill in these if kill.outcome.hit == "after success"]
        middle = [kill for kill in these if kill not in success]
        print(
            f"{name:18} after success: {sum(kill.well for kill in success)} of {len(success)} whole; "
            f"in the middle: {sum(kill.well for kill in middle)} of {len(middle)} finished by the same command"
        )
    wrong = sum(not kill.well for kill in kills)
    print(f"{len(kills)} power cuts, {len(kills) - wrong} with nothing wrong, {time.monotonic() - begun:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
