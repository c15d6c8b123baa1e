"""Model `crlsm`: the paper's constrained regularised least squares, solved exactly.

fit.py is the entry, from a task to parameters with intervals; solver.py has the least squares (eqs. 5-20).
"""
