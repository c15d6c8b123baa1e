"""Model `robust`: a weak form of the consensus equation, solved so that spikes, noise and odd cells do not bias k.

fit.py is the entry, from a task to parameters with intervals. rounds.py has the method and the order of its steps:
transients.py finds spikes, weakform.py makes each cell's normal equations, pooling.py joins the cells (with
equations.py, noise.py and shared.py), and bootstrap.py measures bias and scatter on simulated cultures.
"""
