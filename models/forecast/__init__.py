"""What comes next in a culture's traces: regression on the past, pooled over cultures, and what contacts add to it.

past.py says what is known when a forecast is made. ridge.py forecasts traces and lighting.py events, by the regression
of logit.py; skill.py judges them. contacts.py asks what neighbours add, and network.py uses it.
`calcigraph.models.forecast_run` puts them together.
"""
