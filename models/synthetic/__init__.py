"""Synthetic cultures whose coupling, feeds and masks are known: their traces, their movies, and their ground truth.

make.py            make_culture: simulates a culture from options
whole.py           the whole tissue, its true weights, and the part that the picture shows
biology.py         rates, spikes, and the course of calcium
activity.py        what cells do all the time: fluctuations, white noise, oscillations
drive.py           what excites neighbours together: the bath, plane waves, blobs, released substances
transients.py      spikes, waves, and the traces of border cells
excitable.py       make_waves: calcium waves over contacts, flashes and own events, whose truth is known
wave_options.py    their options
wave_plans.py      where and when they begin
medium.py          such waves in a coupled culture
grid.py            the times at which a culture is simulated
indicator.py       brightness from calcium: logarithm, saturation, delay
optics.py          slow drift of brightness, cross-talk, glow and the lamp
culture.py         SyntheticCulture: what was made, with everything that is true of it
ground_truth.py    the truth as JSON, and the feeds that a movie can show
camera.py          the movie of a culture
tissue.py          label images of cells, and their static brightness
mask_errors.py     masks with mistakes
label_geometry.py  areas, centroids, contacts and border cells of a label image
options.py         the options, with their limits
streams.py         the random streams
"""
