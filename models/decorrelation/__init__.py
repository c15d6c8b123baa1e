"""Model `decorrelation`: the coupling at which the cells' own sources are uncorrelated between neighbours.

fit.py is the entry, from a task to parameters with intervals. residuals.py makes the residual sources, pair_moments.py
their correlations between cells in contact. inversion.py finds the coupling and its interval, and sensitivity.py what
the coupling would be under other assumptions that the data allow.
"""
