"""Calcium events in cells' traces: when each begins and peaks, how high it is and how long it lasts.

`detection.detect_events` is the entry. baseline.py, wandering.py and noise.py say what a trace is
without events, shapes.py what an
event looks like, search.py where events are, refinement.py when exactly and how high.
"""

from calcigraph.models.events.detection import Detected, detect_events

__all__ = ["Detected", "detect_events"]
