"""Consensus models of a culture: simulate, fit, evaluate, and cultures with known truth."""

from calcigraph.models.choose import Ranked, rank_weights
from calcigraph.models.consensus import WEIGHTS, Operator, operator, simulate, simulate_alone
from calcigraph.models.crlsm import Sums, solve_cells, solve_group, sums
from calcigraph.models.evaluate import fit_groups, peaks, squared_error
from calcigraph.models.options import CASES, MODELS, FitOptions
from calcigraph.models.run import fit, fitted_cells, predict
from calcigraph.models.synthetic import (
    SyntheticCulture,
    SyntheticOptions,
    effective_feed,
    make_culture,
    movie_frames,
    truth,
)

__all__ = [
    "CASES",
    "MODELS",
    "WEIGHTS",
    "FitOptions",
    "Operator",
    "Ranked",
    "Sums",
    "SyntheticCulture",
    "SyntheticOptions",
    "effective_feed",
    "fit",
    "fit_groups",
    "fitted_cells",
    "make_culture",
    "movie_frames",
    "operator",
    "peaks",
    "predict",
    "rank_weights",
    "simulate",
    "simulate_alone",
    "solve_cells",
    "solve_group",
    "squared_error",
    "sums",
    "truth",
]
