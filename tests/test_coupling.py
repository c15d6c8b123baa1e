"""Which fits of a culture tell how much of an event is the cell's own."""

from __future__ import annotations

import json

import pytest

from calcigraph.coupling import coupling_of
from calcigraph.models.identify import IDENTIFIED, NOT, WEAK


def fitted(word: str | None, **other: object) -> dict[str, object]:
    row = {
        "model": "robust", "run": "A:robust:1", "identified": word, "k": 0.02, "k_low": 0.018, "k_high": 0.023,
        "settings": json.dumps({"weights": "uniform"}), "facts": json.dumps({"leak": 0.01, "leak_error": 0.001}),
    }  # fmt: skip
    return row | other


def test_an_identified_fit_tells_the_coupling() -> None:
    found, missing = coupling_of([fitted(IDENTIFIED)])
    assert missing == ""
    assert found is not None
    assert (found.k, found.k_low, found.k_high) == (0.02, 0.018, 0.023)
    assert (found.leak, found.leak_error) == (0.01, 0.001)
    assert found.settings["weights"] == "uniform"


@pytest.mark.parametrize("word", [WEAK, NOT, None])
def test_a_fit_that_does_not_identify_k_tells_none(word: str | None) -> None:
    found, missing = coupling_of([fitted(word)])
    assert found is None
    assert (word or NOT) in missing
    assert "A:robust:1" in missing


def test_the_latest_fit_of_the_default_model_counts() -> None:
    assert coupling_of([fitted(IDENTIFIED), fitted(WEAK)])[0] is None
    assert coupling_of([fitted(IDENTIFIED), fitted(WEAK, model="crlsm")])[0] is not None
