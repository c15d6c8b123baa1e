"""Names that options take, apart from what they mean (contacts.py), so that a command starts without NumPy."""

WEIGHTS = ("distance*border", "border/distance", "border", "uniform")
"""The weightings of contacts there are; `distance*border` is the paper's (arXiv:2505.20327, eq. 4)."""
SETUPS = (1, 2, 3)
"""How many rings of cells follow the data: border cells only, and one or two rings more."""
