"""Parameters of users' texts that no graph can hold, or that a name must not become a number of."""

from __future__ import annotations

from typing import Any

import pytest

from calcigraph.errors import InputError
from calcigraph.queries import parse_parameters, run_user
from calcigraph.store.graph import Graph


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, [1, [2**70]], {"a": {"b": 2**64}}])
def test_integers_beyond_64_bits_are_refused(embedded_graph: Graph, value: Any) -> None:
    with pytest.raises(InputError, match="64 bits"):
        run_user(embedded_graph, "RETURN $a AS a", {"a": value})


def test_a_culture_called_101_is_a_string() -> None:
    assert parse_parameters(["culture=101", "n=101"]) == {"culture": "101", "n": 101}
