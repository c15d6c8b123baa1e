"""Model `pinn`: a physics-informed neural network, fitted to the traces and to the consensus model at once.

arXiv:2505.20327, eqs. 21-22. Preset `default` finds k and the feeds; preset `paper` reproduces the paper's training.

    fit.py          from a task of the library to parameters with intervals
    blocks.py       fit_group, the entry for arrays; cuts a large culture into blocks and joins their fits
    setting.py      what a training is given beside traces and contacts
    training.py     preset default: its three stages
    network.py      preset default: the network of time, and the equations in tensors
    robust_loss.py  preset default: the physics loss without outliers
    schedule.py     preset default: the step size of every epoch
    history.py      preset default: what is recorded while it trains
    interval.py     preset default: estimates and 95 % intervals from an ensemble
    paper.py        preset paper: network, losses and training as printed
    result.py       what a fit gives back
    options.py      the options
    tensors.py      torch: device, threads, conversion, Adam
"""
