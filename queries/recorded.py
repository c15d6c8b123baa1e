"""How a fit was made, as the graph records it: what the user decided, and what followed from culture and data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FACTS_AMONG_OPTIONS = frozenset(
    {
        "weight_scale",
        "dt_s",
        "frame_interval_s",
        "intensity_gain",
        "inner_cells",
        "driven_cells",
        "frames",
        "train_frames",
    }
)
"""What graphs written by version 0.1 hold among a fit's options, which later ones hold among its facts."""


@dataclass(frozen=True)
class Recorded:
    """A fit's settings and facts; by name, JSON-able."""

    settings: Mapping[str, Any]
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Recorded:
        """From the columns `settings` and `facts` of a row, both JSON texts or null.

        Examples
        --------
        >>> Recorded.of({"settings": '{"seed": 0, "frames": 361}', "facts": None})
        Recorded(settings={'seed': 0}, facts={'frames': 361})
        """
        settings, facts = (json.loads(row[name] or "{}") for name in ("settings", "facts"))
        moved = {name: value for name, value in settings.items() if name in FACTS_AMONG_OPTIONS}
        return cls({name: value for name, value in settings.items() if name not in moved}, moved | facts)

    def texts(self) -> dict[str, str]:
        """Both columns as JSON texts again."""
        return {
            "settings": json.dumps(self.settings, sort_keys=True),
            "facts": json.dumps(self.facts, sort_keys=True),
        }
