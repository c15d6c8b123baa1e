"""Models of coupling in a culture: fit them, simulate them, evaluate fits, and make cultures with a known truth.

`fit` is the entry. consensus.py holds the equation that all models share, table.py the list of models and their
options; each model is a folder (robust, crlsm, pinn), and synthetic/ makes test cultures.
"""

from typing import TYPE_CHECKING

from calcigraph.late import late_names

if TYPE_CHECKING:
    from calcigraph.models.consensus import Operator, operator, simulate, simulate_alone
    from calcigraph.models.crlsm.solver import Sums, solve_cells, solve_group, sums
    from calcigraph.models.evaluate import fit_groups, peaks, squared_error
    from calcigraph.models.laws import WEIGHTS
    from calcigraph.models.options import CASES
    from calcigraph.models.run import fit, fitted_cells, predict
    from calcigraph.models.synthetic.camera import movie_frames
    from calcigraph.models.synthetic.culture import SyntheticCulture
    from calcigraph.models.synthetic.ground_truth import effective_feed, truth
    from calcigraph.models.synthetic.make import make_culture
    from calcigraph.models.synthetic.options import SyntheticOptions
    from calcigraph.models.table import MODELS, FitOptions
    from calcigraph.models.weightings import Ranked, rank_weights

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

__getattr__ = late_names(
    __name__,
    {
        "consensus": "Operator operator simulate simulate_alone",
        "laws": "WEIGHTS",
        "crlsm.solver": "Sums solve_cells solve_group sums",
        "evaluate": "fit_groups peaks squared_error",
        "options": "CASES",
        "run": "fit fitted_cells predict",
        "synthetic.camera": "movie_frames",
        "synthetic.culture": "SyntheticCulture",
        "synthetic.ground_truth": "effective_feed truth",
        "synthetic.make": "make_culture",
        "synthetic.options": "SyntheticOptions",
        "table": "MODELS FitOptions",
        "weightings": "Ranked rank_weights",
    },
)
