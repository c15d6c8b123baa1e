"""kill -9 of every command that writes, on both engines and with the movies on object storage: `make soak`.

Half of the kills come before a random one of the numbered system calls that write (traced.py), half after a random
time. By turns the process that writes is killed, the command, or the command and the embedded engine together. The same
command is run again; then store and graph must be what they are after an undisturbed run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from breaking.stage import Stage, make_stage
from breaking.traced import Job, Outcome, Server, why_not
from breaking.whole import Whole
from s3_server import S3Server

from calcigraph.errors import CalcigraphError

DONE = {"delete": "there is no culture", "backup": "exists already", "restore": "is there already"}
"""What a second run says where the first one had done its work when it was killed."""
VICTIMS = ("writer", "all", "command")


@dataclass(frozen=True)
class Kill:
    """One kill and what came of it."""

    command: str
    engine: str
    outcome: Outcome
    unlike: tuple[str, ...]
    """In what the workspace differs from that of an undisturbed run, after the command was run again."""
    again: str = ""
    """What is wrong with the second run."""

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.unlike or self.again or self.outcome.hung or "Traceback" in self.outcome.stderr)

    def tell(self) -> None:
        """Print what is wrong."""
        if self.well:
            return
        print(f"WRONG {self.engine} {self.command}: {self.outcome.hit} code {self.outcome.code}", flush=True)
        for line in (self.again, *self.unlike, self.outcome.stderr.strip()[-300:]):
            print(f"    {line}", flush=True) if line else None


@dataclass
class Soak:
    """Kills on one stage."""

    stage: Stage
    server: Server
    random: random.Random
    counted: dict[str, Outcome] = field(default_factory=dict)
    """Of each command: what an undisturbed run writes, and how long it takes."""
    expected: dict[str, Whole] = field(default_factory=dict)
    """And what there is after it."""

    def job(self, name: str) -> Job:
        """The command of this name."""
        stage = self.stage
        return Job(stage.words[name], [str(stage.now)], str(stage.outputs), stage.environment)

    def count(self, name: str) -> Outcome:
        """Run the command undisturbed and number its calls."""
        if name not in self.counted:
            self.stage.fresh(name)
            self.counted[name] = self.server.do(self.job(name))
            assert self.counted[name].code == 0, self.counted[name].stderr
            self.expected[name] = self.stage.seen()
        return self.counted[name]

    def kill(self, name: str, number: int) -> Kill:
        """Kill the command of this name once; number: how many kills it has had."""
        whole = self.count(name)
        if number % 2 == 0:
            moment: dict[str, Any] = {"at": self.random.randrange(1, len(whole.calls) + 1)}
        else:
            moment = {"after": self.random.uniform(0.02, max(0.1, whole.seconds))}
        return self.kill_at(name, victims=VICTIMS[number // 2 % 3], **moment)

    def kill_at(self, name: str, **moment: Any) -> Kill:
        """Kill the command at this moment, run it again, and compare."""
        self.count(name)
        self.stage.fresh(name)
        outcome = self.server.do(replace(self.job(name), **moment))
        wrong = again(self.stage, name)
        return Kill(name, self.stage.engine, outcome, tuple(self.seen_unlike(name)), wrong)

    def seen_unlike(self, name: str) -> list[str]:
        """In what the workspace differs from that of an undisturbed run."""
        try:
            return self.stage.seen().unlike(self.expected[name])
        except CalcigraphError as error:
            return [f"cannot be opened: {error}"]


def again(stage: Stage, name: str) -> str:
    """Run the command once more; what is wrong with that."""
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        code = stage.run(stage.words[name])
    there = code == 0 or DONE.get(name, "done already") in said.getvalue()
    return "" if there else f"code {code}: {said.getvalue().strip()[:300]}"


@contextlib.contextmanager
def stages(engines: Sequence[str]) -> Iterator[list[Stage]]:
    """A stage on each engine; "s3" is a Neo4j, the same one, with a workspace on object storage."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="calcigraph-soak-")))
        server, found = None, []
        if set(engines) & {"neo4j", "s3"}:
            from neo4j_server import java_server

            (home / "server").mkdir()
            server = stack.enter_context(java_server(home / "server"))
        for engine in engines:
            storage = stack.enter_context(object_storage(home / "storage")) if engine == "s3" else None
            found.append(make_stage(home / engine, None if engine == "embedded" else server, storage))
        yield found


@contextlib.contextmanager
def object_storage(home: Path) -> Iterator[S3Server]:
    """A server of object storage on a new folder. Raises Unavailable."""
    from neo4j_server import free_port

    home.mkdir()
    storage = S3Server(home, free_port())
    storage.start()
    try:
        yield storage
    finally:
        storage.stop()


def table(kills: Sequence[Kill], numbered: dict[tuple[str, str], int]) -> str:
    """What was found, a line for each command and engine."""
    lines = [f"{'command':18} {'engine':9} kills ended calls moments equal left  hit"]
    for command, engine in dict.fromkeys((kill.command, kill.engine) for kill in kills):
        these = [kill for kill in kills if (kill.command, kill.engine) == (command, engine)]
        hits = {kill.outcome.hit for kill in these if kill.outcome.hit}
        kinds = sorted({_kind(hit) for hit in hits})
        ended = sum(kill.outcome.code != 0 for kill in these)
        equal = sum(kill.well for kill in these)
        left = sum(any(text.startswith("left over") for text in kill.unlike) for kill in these)
        lines.append(
            f"{command:18} {engine:9} {len(these):5} {ended:5} {numbered[command, engine]:5} {len(hits):7} "
            f"{equal:5} {left:4}  {', '.join(kinds)}"
        )
    return "\n".join(lines)


def _kind(hit: str) -> str:
    if hit.startswith("after"):
        return "time"
    who, call, path = hit.split(" ", 2)
    if path.startswith("socket"):
        sent = "request" if call == "writev" else "transaction"
        where = sent if who == "command" else "acknowledgement"
    else:
        known = ("wal", "bucket", "idx", "movies", "out", "json", "temporary")
        where = next((part for part in known if part in re.split("/now/|/buckets/", path)[-1]), "other")
    return f"{call}:{where}"


def main(arguments: Sequence[str] | None = None) -> int:
    """`make soak`: print the table; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engines", nargs="+", default=["embedded", "neo4j", "s3"])
    parser.add_argument("--commands", nargs="+", help="only these")
    parser.add_argument("--every", action="store_true", help="at every call instead of at random ones")
    given = parser.parse_args(arguments)
    reason = why_not()
    if reason:
        print(f"soak: {reason}")
        return 1
    kills: list[Kill] = []
    numbered: dict[tuple[str, str], int] = {}
    with stages(given.engines) as found, Server() as server:
        soaks = [Soak(stage, server, random.Random(given.seed)) for stage in found]
        for kill, soak in _all(soaks, given):
            kills.append(kill)
            numbered[kill.command, kill.engine] = len(soak.counted[kill.command].calls)
            kill.tell()
    print(table(kills, numbered))
    wrong = sum(not kill.well for kill in kills)
    print(f"{len(kills)} kills, {len(kills) - wrong} of them with nothing wrong after the command was run again")
    return int(wrong > 0)


def _all(soaks: Sequence[Soak], given: argparse.Namespace) -> Iterator[tuple[Kill, Soak]]:
    begun = time.monotonic()
    if given.every:
        for soak in soaks:
            for name in given.commands or soak.stage.words:
                for at in range(1, len(soak.count(name).calls) + 1):
                    yield soak.kill_at(name, at=at, victims="all"), soak
        return
    for number in range(given.kills):
        soak = soaks[number % len(soaks)]
        turn = number // len(soaks)
        names = given.commands or list(soak.stage.words)
        yield soak.kill(names[turn % len(names)], turn // len(names)), soak
        if number % 20 == 19:
            print(f"{number + 1} kills in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
