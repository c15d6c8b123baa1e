"""A fit with intervals of a large culture, by the default options, beside the paper's least squares alone.

    python benchmarks/fit_time.py [--cells 10000] [--frames 361] [--repeats 1]

Both sides are given the same culture; seconds are those of the processor, all threads together. The fit has its
intervals and words; the null, which `calcigraph fit` adds, is left out.
"""

from __future__ import annotations

import argparse

from robust import crlsm, lattice
from timing import Spent, in_turns

from calcigraph.models import FitOptions, fit


def measured(cells: int, frames: int, repeats: int) -> dict[str, Spent]:
    """`without null` and `crlsm`."""
    culture, small = lattice(cells, frames, 0), lattice(9, 30, 0)
    fit(small, options=FitOptions(null=0))  # what is imported at first use
    crlsm(small)
    works = {"without null": lambda: fit(culture, options=FitOptions(null=0)), "crlsm": lambda: crlsm(culture)}
    return in_turns(repeats, **works)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("cells", 10_000), ("frames", 361), ("repeats", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    for name, took in measured(asked.cells, asked.frames, asked.repeats).items():
        print(f"  {name:14}{took.wall_s:8.2f} s{took.cpu_s:8.2f} s of processor", flush=True)


if __name__ == "__main__":
    main()
