"""The names of what `compare` compares, as they stand in its table."""

K, K_CELL, FEED, SYNCHRONY, MSE_TRAIN, MSE_TEST = "k", "k_cell", "feed", "synchrony", "mse_train", "mse_test"
FITTED = (K, K_CELL, FEED, SYNCHRONY, MSE_TRAIN, MSE_TEST)
"""Of a fit, in the order of the rows."""
EVENT_RATE, WAVE_RATE, AMPLITUDE, DFF = "event rate (1/h)", "wave rate (1/h)", "amplitude / gain", "dF/F0"
SPEEDS = {"µm/s": "wave speed (µm/s)", "px/s": "wave speed (px/s)"}
"""Wave speed by its unit: px/s where the pixel size is not known."""
FIRED = (EVENT_RATE, AMPLITUDE, DFF, WAVE_RATE, *SPEEDS.values())
"""Of events and waves, in the order of the rows."""
SKILLS = {1: "skill, 1 frame ahead", 5: "skill, 5 frames ahead"}
"""Skill of the forecast, by frames ahead. Only two: each further row that is tested makes every corrected p larger."""
CONTACT_GAIN = "contact gain"
FORESEEN = (*SKILLS.values(), CONTACT_GAIN)
"""Of forecasts, in the order of the rows."""
ALL = (*FITTED, *FIRED, *FORESEEN)
"""In the order of the rows."""
