"""Colours, ticks and digits."""

from __future__ import annotations

import numpy as np
import pytest

from calcigraph.pictures import style


def test_signed_parameters_are_centred_on_zero_and_wide_ones_logarithmic() -> None:
    from matplotlib.colors import LogNorm

    name, norm = style.paint(np.array([-1.0, 0.0, 3.0, np.nan]), signed=True)
    assert name == "RdBu_r"
    assert norm.vmin == -norm.vmax  # type: ignore[operator]
    assert isinstance(style.paint(np.geomspace(1e-5, 1e-1, 50))[1], LogNorm)
    assert not isinstance(style.paint(np.linspace(1, 3, 50))[1], LogNorm)


def test_numbers_of_ticks() -> None:
    assert style.log_ticks(0.001, 0.1) == pytest.approx([0.001, 0.003, 0.01, 0.03, 0.1])
    assert len(style.log_ticks(1e-9, 1e3)) <= 5
    assert [style.plain(value) for value in (0.02, 5.0, 2e-5, 1e-4, 0.0)] == [
        "0.02", "5", "$2×10^{-5}$", "$10^{-4}$", "0",
    ]  # fmt: skip
    scale = style.scaled(np.array([2e-5, np.nan, -4e-5]), "feed", "s$^{-1}$")
    assert scale.label == "feed ($10^{-5}$ s$^{-1}$)"
    assert scale.values[[0, 2]] == pytest.approx([2, -4])
    assert style.limits(np.full(3, 2.0)) == pytest.approx((1.9, 2.1))
    assert style.limits(np.array([np.nan])) == (0, 1)


def test_numbers_have_the_digits_their_interval_leaves() -> None:
    between = style.between
    assert between(2.00234, (1.9812, 2.0221)) == "2.002 (1.981 to 2.022)"
    assert between(-12.34, (-20.0, 3.0)) == "−12 (−20 to 3)"
    assert between(0.123456, None) == between(0.123456, (0.1, 0.1)) == "0.123"
