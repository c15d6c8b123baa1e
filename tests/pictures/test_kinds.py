"""The table of kinds: everything that is said about kinds comes from it, and every row can be drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calcigraph import pictures
from calcigraph.cli.picture import KIND_HELP
from calcigraph.errors import InputError, NotFoundError
from calcigraph.pictures import kinds
from calcigraph.pictures.data import PictureData
from calcigraph.pictures.kinds import KINDS, TABLE, Kind
from calcigraph.pictures.render import draw


@pytest.mark.parametrize("kind", TABLE, ids=KINDS)
def test_a_row_names_functions_that_exist(kind: Kind) -> None:
    assert kind.painter().__doc__
    check = kind.checker()
    assert (check is None) == (kind.check == "")
    assert check is None or callable(check)


def test_names_are_unique_and_help_lists_them_in_order() -> None:
    assert len(set(KINDS)) == len(KINDS)
    listed = KIND_HELP.removesuffix(".").replace(" or ", ", ").split(", ")
    assert [text.split(" (")[0] for text in listed] == list(KINDS)
    assert {"graph", "cells (coloured by intensity)", "error (of the model beside noise)"} <= set(listed)


@pytest.mark.parametrize(
    ("asked", "lacking", "proposed", "useless"),
    [
        ("heatmap", {}, {"frame", "outlines", "graph", "training"}, set()),
        ("frame", {"image": None}, {"cells", "graph", "traces", "error", "parameters"}, {"outlines", "training"}),
        ("outlines", {"polygons": None}, {"frame", "cells", "graph"}, {"outlines", "error", "training"}),
    ],
)
def test_refusals_propose_kinds_that_can_be_drawn(
    tmp_path: Path,
    culture: PictureData,
    asked: str,
    lacking: dict[str, None],
    proposed: set[str],
    useless: set[str],
) -> None:
    with pytest.raises(InputError, match="choose one of ") as refused:
        draw(asked, replace(culture, **lacking), tmp_path / "a.png")
    names = set(str(refused.value).split("choose one of ")[1].split(", "))
    assert proposed <= names <= set(KINDS) - useless


def test_a_row_is_enough_for_a_new_kind(tmp_path: Path, culture: PictureData, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Kind(name="new", draws="maps:draw_cells", fitted_values=("leak",))
    monkeypatch.setattr(kinds, "TABLE", (*TABLE, row))
    with pytest.raises(NotFoundError, match="no crlsm fit, which new draws"):
        draw("new", culture, tmp_path / "a.png")
    fitted = replace(culture, cells=culture.cells | {"crlsm_leak": culture.cells["crlsm_feed"]})
    assert draw("new", fitted, tmp_path / "a.png").exists()


def test_public_names_come_when_asked_for() -> None:
    assert {name for name in pictures.__all__ if hasattr(pictures, name)} == set(pictures.__all__)
    with pytest.raises(AttributeError, match="no attribute 'heatmap'"):
        _ = pictures.heatmap
