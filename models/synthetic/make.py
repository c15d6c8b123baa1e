"""Ground truth: a confluent culture whose coupling and feeds are known, with its traces and its masks.

Inner cells obey the consensus model exactly (models/consensus.py), each with a feed of its own. Short calcium spikes
come on top, of which the model knows nothing. Border cells follow slow random processes and transients of their own,
and excite the culture through the contacts, unless the culture is cut out of a larger tissue (whole.py). Intensities
are natural logarithms around 0.5. The brightness of a movie is proportional to their exponential, so the traces that
eq. 23 (arXiv:2505.20327) gives are an affine function of them. Rates are in 1/s.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calcigraph.errors import InputError
from calcigraph.models.synthetic.biology import FEED_ABOVE, FEED_BELOW, UNCOUPLED, Planted, live
from calcigraph.models.synthetic.culture import SyntheticCulture
from calcigraph.models.synthetic.label_geometry import LabelGeometry, measure_labels
from calcigraph.models.synthetic.mask_errors import displace, mask_labels, relabel
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.streams import MASKS, PLANTING, stream
from calcigraph.models.synthetic.whole import make_tissue, picture


def make_culture(options: SyntheticOptions | None = None) -> SyntheticCulture:
    """Simulate a culture; the same options always give the same one.

    Inner cells obey eq. 3 of arXiv:2505.20327, y_i' = k_i (M y)_i + gamma_i + spikes, with weights of eq. 4, and with
    what the options add (biology.py). Tissue, biology, planted cells, waves, masks and the rest have random streams of
    their own: k and the noise do not change where cells lie.

    Parameters
    ----------
    options
        By default a culture of the paper's size.

    Returns
    -------
    SyntheticCulture
        Of n = `options.cells` cells, or those in the `field`, and T = `options.frames` frames.

    Raises
    ------
    InputError
        The frame is too small for the cells, every cell touches its edge, more cells are planted, missing or merged
        than there are, or nothing is left of a mask.

    Examples
    --------
    >>> culture = make_culture(SyntheticOptions(cells=16, frames=20, size_px=128))
    >>> culture.traces.shape
    (16, 20)
    """
    options = options or SyntheticOptions()
    tissue = make_tissue(options)
    labels = picture(tissue)
    geometry = tissue.geometry if options.field is None else measure_labels(labels)
    if geometry.border.all():
        raise InputError(
            f"all {len(geometry.cells)} cells touch the image edge, so none is coupled; simulate more cells"
        )
    # Planted cells keep their masks, so that a fit can be asked whether it finds them.
    planted = _planted(options, geometry)
    is_planted = np.isin(geometry.cells, [label for label, _ in planted])
    rng = stream(options, MASKS)
    mask_label = mask_labels(options, geometry, is_planted, rng)
    masks = displace(options, relabel(labels, geometry.cells, mask_label), rng)
    biology = live(options, tissue, planted)
    rows, shown = tissue.rows(geometry), set(geometry.cells.tolist())
    fired, contact_waves = biology.medium.seen(geometry.cells) if biology.medium else ((), ())
    return SyntheticCulture(
        options=options,
        tissue=tissue,
        labels=labels,
        masks=masks,
        geometry=geometry,
        mask_label=mask_label,
        planted=planted,
        k=np.where(geometry.border, np.nan, biology.k[rows]),
        feed=np.where(geometry.border, np.nan, biology.feed[rows]),
        spikes=tuple(each for each in biology.spikes if each[0] in shown),
        waves=tuple(replace(wave, arrival_s=wave.arrival_s[rows]) for wave in biology.waves),
        fired=fired,
        contact_waves=contact_waves,
        calcium=biology.calcium[rows],
        intensity=biology.intensity[rows],
        traces=biology.traces[rows],
    )


def _planted(options: SyntheticOptions, geometry: LabelGeometry) -> Planted:
    """Inner cells that are made abnormal, drawn at random."""
    inner = geometry.cells[~geometry.border]
    wanted = options.uncoupled + options.abnormal_feeds
    if wanted > len(inner):
        raise InputError(
            f"uncoupled and abnormal_feeds ask for {wanted} inner cells, but there are {len(inner)}; plant fewer"
        )
    chosen = stream(options, PLANTING).choice(inner, wanted, replace=False).tolist()
    # Feeds are by turns too high and too low; of an odd number the last one is too high.
    words = [UNCOUPLED] * options.uncoupled + [FEED_ABOVE, FEED_BELOW] * (options.abnormal_feeds // 2 + 1)
    return tuple(sorted(zip(chosen, words[:wanted], strict=True)))
