"""Comparisons within experiments: the difference inside each, and the experiments as replicates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy import stats

from calcigraph.errors import InputError
from calcigraph.queries import paired
from calcigraph.queries.comparable import Options
from calcigraph.queries.effects import effect_of, holm
from calcigraph.queries.fired import Fired
from calcigraph.queries.observed import Observed
from calcigraph.queries.quantities import EVENT_RATE, SPEEDS, WAVE_RATE

Day = tuple[Sequence[float], Sequence[float]]
"""Rates of the cultures with vehicle, and of those with drug, on one day."""
DAYS: dict[str, Day] = {"mon": ([1, 3], [4]), "tue": ([2], [5, 6, 70]), "wed": ([4], [6])}
"""Medians 2 and 4, 2 and 6, 4 and 6."""


def culture(name: str, experiment: str | None, condition: str | None, **values: float) -> Observed:
    named = {EVENT_RATE: "rate", WAVE_RATE: "waves", SPEEDS["px/s"]: "speed", SPEEDS["µm/s"]: "speed_um"}
    fired = Fired(
        culture=name,
        settings={"min_snr": 4.0},
        frames=100,
        frame_interval_s=10.0,
        gain=0.5,
        noise=values.pop("noise", 0.01),
        values={known: values[short] for known, short in named.items() if short in values},
        spreads={},
    )
    return Observed(
        culture=name,
        experiment=experiment,
        condition=condition,
        annotations={},
        cells=50,
        fitted=None,
        fired=fired,
        foreseen=None,
    )


def lab(days: dict[str, Day], quantity: str = "rate") -> list[Observed]:
    return [
        culture(f"{day}-{condition}-{number}", day, condition, **{quantity: value})
        for day, sides in days.items()
        for condition, side in zip(("vehicle", "drug"), sides, strict=True)
        for number, value in enumerate(side)
    ]


def rows(observed: Sequence[Observed], **options: Any) -> list[dict[str, Any]]:
    blocks = paired.blocks_of(observed)[0]
    conditions = dict.fromkeys(name for block in blocks.values() for name in block)
    return paired.rows_of(blocks, list(combinations(conditions, 2)), Options(**options), "")


def test_the_difference_is_inside_each_experiment() -> None:
    (row,) = rows(lab(DAYS))
    assert (row["parameter"], row["group_a"], row["group_b"], row["n"]) == (EVENT_RATE, "vehicle", "drug", 3)
    assert row["experiments"] == ["mon", "tue", "wed"]
    assert row["differences"] == [2, 4, 2]
    assert row["ratios"] == [2, 3, 1.5]
    assert (row["median_a"], row["median_b"]) == (2, 6)
    assert row["difference"] == pytest.approx(8 / 3)
    assert row["ratio"] == pytest.approx(9 ** (1 / 3))
    # mean 8/3, deviation sqrt(4/3), t of 2 degrees of freedom 4.3027
    half = 4.302653 * (4 / 3) ** 0.5 / 3**0.5
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((8 / 3 - half, 8 / 3 + half))
    expected = stats.ttest_rel(np.log([4, 6, 6]), np.log([2, 2, 4]))
    assert row["p"] == row["p_holm"] == pytest.approx(expected.pvalue)
    assert (row["ratio_low"], row["ratio_high"]) == pytest.approx(tuple(np.exp(expected.confidence_interval())))
    assert row["test"] == "paired t of logarithms"
    assert row["cultures_a"] == ["mon-vehicle-0", "mon-vehicle-1", "tue-vehicle-0", "wed-vehicle-0"]
    assert row["cells_b"] == [50] * 5
    assert row["note"] == ""


def test_what_differs_between_days_does_not_matter() -> None:
    """Days differ tenfold and the drug halves: side by side that would be lost."""
    a = np.array([1.0, 10.0, 100.0, 1000.0])
    b = a * [0.48, 0.5, 0.52, 0.5]
    (row,) = rows(lab({str(day): ([a[day]], [b[day]]) for day in range(4)}))
    assert row["ratio"] == pytest.approx(0.5, rel=0.01)
    assert row["p"] < 1e-3
    assert (effect_of(EVENT_RATE, a, b).p or 0) > 0.5


@pytest.mark.parametrize(("days", "have"), [(("mon",), "1 experiment has"), (("mon", "tue"), "2 experiments have")])
def test_too_few_experiments_have_no_test(days: Sequence[str], have: str) -> None:
    (row,) = rows(lab({day: DAYS[day] for day in days}))
    assert row["difference"] == pytest.approx(np.mean([2, 4][: len(days)]))
    assert [row[name] for name in ("p", "p_holm", "test", "difference_low", "ratio_low")] == [None] * 5
    assert row["note"] == f"no interval and no test: {have} both conditions, 3 are needed"


def test_what_cannot_be_paired_is_left_out_and_named() -> None:
    more = [
        culture("lone", "thu", "drug", rate=1.0),
        culture("stray", None, "drug", rate=1.0),
        culture("blank", "mon", None, rate=1.0),
    ]
    blocks, notes = paired.blocks_of(lab(DAYS) + more)
    assert list(blocks) == ["mon", "tue", "wed"]
    assert notes == [
        "left out, because they have one condition only: thu",
        "left out, because they are of no experiment or condition: stray, blank",
    ]
    with pytest.raises(InputError, match="no experiment has cultures of two conditions"):
        paired.blocks_of(more)


def test_each_pair_of_conditions_has_the_experiments_with_both() -> None:
    third = [culture("mon-wash", "mon", "wash", rate=2.0), culture("wed-wash", "wed", "wash", rate=5.0)]
    found = {(row["group_a"], row["group_b"]): row for row in rows(lab(DAYS) + third)}
    assert list(found) == [("vehicle", "drug"), ("vehicle", "wash"), ("drug", "wash")]
    assert found["vehicle", "wash"]["experiments"] == ["mon", "wed"]
    assert found["drug", "wash"]["differences"] == [-2, -1]


def test_p_is_corrected_over_all_rows() -> None:
    both = [
        culture(each.culture, each.experiment, each.condition, rate=value, speed=value**2)
        for each in lab(DAYS)
        for value in [each.values[EVENT_RATE]]
    ]
    found = rows(both)
    assert [row["parameter"] for row in found] == [EVENT_RATE, SPEEDS["px/s"]]
    assert [row["p_holm"] for row in found] == pytest.approx(holm([row["p"] for row in found]))


def test_events_that_were_looked_for_otherwise_have_no_test() -> None:
    (row,) = rows(lab(DAYS), differing="min_snr (4.0: a; 5.0: b)")
    assert row["difference"] is not None
    assert row["p"] is None
    assert row["note"] == "no test of events: they were looked for with different options: min_snr (4.0: a; 5.0: b)"
    (row,) = rows(lab(DAYS), differing="min_snr (4.0: a; 5.0: b)", accepted=True)
    assert row["p"] is not None
    assert row["note"] == "they were looked for with different options: min_snr (4.0: a; 5.0: b)"


def test_noise_stands_beside_rates_but_not_beside_speeds() -> None:
    loud = [culture(each.culture, each.experiment, "loud", rate=3.0, speed=2.0, noise=0.02) for each in lab(DAYS)]
    quiet = [culture(each.culture, each.experiment, "quiet", rate=3.0, speed=2.0) for each in lab(DAYS)]
    rate, speed = rows(quiet + loud)
    assert rate["note"].startswith("the groups differ in the noise of their traces (median 0.01 and 0.02)")
    assert speed["note"] == "no interval and no test: the experiments do not differ from one another"


def test_speeds_of_two_units_are_not_compared() -> None:
    known = [culture("a", "mon", "drug", speed=2.0), culture("b", "mon", "vehicle", speed_um=2.0)]
    for row in rows(known):
        assert (row["difference"], row["ratio"], row["n"]) == (None, None, 0)
        assert "the pixel size is known of some cultures only" in row["note"]


def test_waves_are_compared_by_ranks_from_six_experiments_on() -> None:
    d = np.array([1.0, 2.0, 3.0, 4.0, 5.0, -0.5])
    days: dict[str, Day] = {str(day): ([10.0], [10.0 + each]) for day, each in enumerate(d)}
    (row,) = rows(lab(days, "waves"))
    assert row["parameter"] == WAVE_RATE
    assert row["p"] == pytest.approx(stats.wilcoxon(d, method="exact").pvalue) == pytest.approx(4 / 64)
    means = sorted((x + y) / 2 for i, x in enumerate(d) for y in d[i:])
    assert row["difference"] == pytest.approx(np.median(means))
    # With 6 experiments only the extreme means leave less than 2.5 % at each side: 1 / 64.
    assert (row["difference_low"], row["difference_high"]) == (-0.5, 5.0)
    assert (row["test"], row["ratio"], row["ratios"]) == ("Wilcoxon signed rank", None, None)
    (row,) = rows(lab({day: days[day] for day in list(days)[:5]}, "waves"))
    assert row["p"] is None
    assert row["note"] == (
        "no interval and no test of wave rate (1/h): 5 experiments have both conditions, 6 are needed"
    )


@pytest.mark.parametrize("seed", range(5))
def test_signed_ranks_are_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = rng.normal(0.5, 1, 9 + seed)
    assert paired.signed_rank_p(d) == pytest.approx(stats.wilcoxon(d, method="exact").pvalue)
    # Ties: all ways of choosing signs, counted.
    d = rng.integers(-3, 6, 8).astype(float)
    d = d[d != 0]
    ranks = stats.rankdata(np.abs(d))
    signs = (np.arange(2 ** len(d))[:, None] >> np.arange(len(d))) & 1
    sums, seen = signs @ ranks, ranks[d > 0].sum()
    assert paired.signed_rank_p(d) == pytest.approx(min(1, 2 * min((sums <= seen).mean(), (sums >= seen).mean())))
