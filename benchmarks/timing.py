"""Seconds of processor of this process and of all that it started, engines of graphs among them.

Others may use the machine meanwhile: then seconds that pass say nothing, while those of the processor still compare.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Spent:
    """Of one run, or the least of several."""

    wall_s: float
    cpu_s: float

    def least(self, other: Spent) -> Spent:
        return Spent(min(self.wall_s, other.wall_s), min(self.cpu_s, other.cpu_s))

    def scaled(self, times: float) -> Spent:
        return Spent(self.wall_s * times, self.cpu_s * times)


def processor_s() -> float:
    """Of all threads, and of the processes that this one has started, whether they still run or have ended."""
    me = psutil.Process()
    total = 0.0
    for process in (me, *me.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def spent(work: Callable[[], object]) -> Spent:
    wall, cpu = time.perf_counter(), processor_s()
    work()
    return Spent(time.perf_counter() - wall, processor_s() - cpu)


def in_turns(repeats: int, **works: Callable[[], object]) -> dict[str, Spent]:
    """The least that each of several works takes, all of them run once a turn."""
    found: dict[str, Spent] = {}
    for _ in range(repeats):
        for name, work in works.items():
            took = spent(work)
            found[name] = found[name].least(took) if name in found else took
    return found
