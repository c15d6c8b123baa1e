"""How long work says how far it is. In a file of its own, so that a command starts without NumPy."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total). A stage may come again; at its end `done` is `total`."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing: the default `Progress`."""
