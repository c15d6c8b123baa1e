"""Synthetic cultures whose coupling, feeds and masks are known: their traces, their movies, and their ground truth.

make.py            make_culture: simulates a culture from options
culture.py         SyntheticCulture: what was made, with everything that is true of it
ground_truth.py    the truth as JSON, and the feeds that a movie can show
camera.py          the movie of a culture
tissue.py          label images of cells, and their static brightness
transients.py      spikes, waves, and the traces of border cells
mask_errors.py     masks with mistakes
label_geometry.py  areas, centroids, contacts and border cells of a label image
options.py         the options, with their limits
"""
