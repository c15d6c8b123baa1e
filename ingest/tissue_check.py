"""Whether cells and contacts can be those of a tissue, as numbers and as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.ingest.cell_sizes import UNLIKE, Sizes, sizes

if TYPE_CHECKING:
    from calcigraph.ingest.cells import Tissue
    from calcigraph.ingest.gaps import Gaps
    from calcigraph.ingest.mask_cleaning import Cleaned

FEW_CONTACTS = 3.0
"""Contacts of a cell inside a tissue, on average; six are usual."""
FEW_INNER = 3
"""Inner cells from which their contacts are judged."""
MANY_DROPPED = 0.1
"""Share of the cells that are too small, from which other cells lack neighbours."""
DEBRIS = 0.1
"""What is smaller than this share of the median cell is no cell, and not missed."""
HOLLOW = 0.15
"""Share of the tissue without a cell, from which cells may be missing in it."""
SPARSE = 0.4
"""Share of the picture that cells cover, below which the user is warned."""
SPARSE_CELLS = 10
"""Cells from which that is judged: a picture of a few single cells is not taken for tissue."""
MANY_PLACES = 0.1
"""Share of labels of two places, from which some are likely to hide as one cell."""


@dataclass(frozen=True)
class TissueCheck:
    """What is known of the cells of a culture as a tissue; made by `check_tissue`."""

    facts: Mapping[str, Any]
    """`Culture.tissue`: counts, shares and gaps; `store.tissue.tissue_line` puts them in words."""
    warnings: tuple[str, ...]
    """For the user, doubts included."""
    doubts: tuple[str, ...]
    """`Culture.doubts`: what speaks against the contacts."""


def check_tissue(tissue: Tissue, gaps: Gaps, max_gap: int, min_area: int, cleaned: Cleaned | None) -> TissueCheck:
    """Judge cells and contacts.

    Parameters
    ----------
    tissue
        The cells.
    gaps
        What lies between them.
    max_gap
        The gap that was closed, px.
    min_area
        Smallest cell, px.
    cleaned
        What was found in the masks; None for masks that calcigraph has made.
    """
    facts = _facts(tissue, gaps, max_gap, min_area, cleaned)
    doubts = [
        *_of_size(tissue, min_area),
        *_of_sizes(facts, cleaned),
        *_of_contacts(facts, gaps, max_gap),
        *_of_masks(facts, cleaned),
    ]
    if facts["filled"] < 1 - HOLLOW and not doubts:
        doubts.append(f"{1 - facts['filled']:.0%} of the tissue belongs to no cell, so that cells may be missing in it")
    warnings = [] if cleaned is None else list(cleaned.warnings)
    warnings += [f"tissue: {doubt}" for doubt in doubts]
    if facts["coverage"] < SPARSE and len(tissue.labels) >= SPARSE_CELLS:
        warnings.append(
            f"tissue: cells cover {facts['coverage']:.0%} of the picture; a model sees those that touch only"
        )
    return TissueCheck(facts, tuple(warnings), tuple(doubts))


def _facts(tissue: Tissue, gaps: Gaps, max_gap: int, min_area: int, cleaned: Cleaned | None) -> dict[str, Any]:
    inner = ~tissue.border
    ends = np.concatenate([tissue.contacts.label_a, tissue.contacts.label_b])
    contacts = float(np.isin(ends, tissue.labels[inner]).sum() / inner.sum()) if inner.any() else None
    whole = sizes(tissue.area_px[inner])  # the edge of the picture cuts border cells
    facts = {
        "found": len(tissue.labels) + len(tissue.dropped_px),
        "too_small": len(tissue.dropped_px),
        "min_area": min_area,
        "coverage": round(tissue.coverage, 4),
        "filled": round(tissue.filled, 4),
        "inner": int(inner.sum()),
        "contacts_per_inner_cell": contacts,
        "max_gap": max_gap,
        "size_spread": round(whole.spread, 3),
        "unlike_sizes": whole.unlike,
        "median_area": whole.median_px,
        "median_gap": float(np.median(gaps.needed_px)) if len(gaps.needed_px) else None,
    }
    if cleaned is not None:
        facts |= {"strays": cleaned.strays, "places": len(cleaned.places), "background": len(cleaned.background)}
        facts["holes"] = cleaned.holes
    return facts


def _of_size(tissue: Tissue, min_area: int) -> list[str]:
    """Many cells that were too small: their neighbours lack a neighbour."""
    from calcigraph.ingest.cells import smaller_limit

    missed = tissue.dropped_px[tissue.dropped_px >= DEBRIS * np.median(tissue.area_px)]
    found = len(missed) + len(tissue.labels)
    if len(missed) <= MANY_DROPPED * found:
        return []
    areas = np.concatenate([missed, tissue.area_px.astype(np.int64)])
    return [
        f"{len(missed)} of {found} cells have under {min_area} px and are left out (the median cell has "
        f"{np.median(areas):.0f}); give --min-area {smaller_limit(areas)} to take them"
    ]


def _of_sizes(facts: Mapping[str, Any], cleaned: Cleaned | None) -> list[str]:
    """Sizes that a tissue hardly has, of cells that calcigraph found itself."""
    whole = Sizes(
        cells=facts["inner"], median_px=facts["median_area"], spread=facts["size_spread"], unlike=facts["unlike_sizes"]
    )
    if cleaned is not None or not whole.improbable:
        return []
    return [
        f"{whole.unlike} of {whole.cells} inner cells have more than {UNLIKE:g} times the median area "
        f"({whole.median_px:.0f} px) or less than 1/{UNLIKE:g} of it, and sizes spread by a factor of "
        f"{np.exp(whole.spread):.1f} (1.1 to 1.6 is usual), so that cells may be merged or split"
    ]


def _of_contacts(facts: Mapping[str, Any], gaps: Gaps, max_gap: int) -> list[str]:
    """Too few contacts, and what would close the gaps."""
    contacts, wanted = facts["contacts_per_inner_cell"], gaps.max_gap
    if wanted is None and len(gaps.needed_px):
        wanted = int(np.quantile(gaps.needed_px, 0.9, method="higher"))
    narrow = len(gaps.needed_px) and int((gaps.needed_px <= max_gap).sum())
    remedy = ""
    if wanted is not None and wanted > max_gap:
        remedy = (
            f"; the gaps between neighbours are {gaps.needed_px.min()} to {wanted} px wide, and up to {max_gap} px are "
            f"closed: give --max-gap {wanted} if these cells touch"
        )
    if contacts is not None and facts["inner"] >= FEW_INNER and contacts < FEW_CONTACTS:
        return [f"an inner cell has {contacts:.1f} contacts on average, where a tissue has about 6{remedy}"]
    # Without inner cells there is nothing to count; open gaps tell the same.
    if gaps.max_gap is not None and remedy and narrow < len(gaps.needed_px) / 2:
        return [f"only {narrow} of {len(gaps.needed_px)} pairs of neighbours are in contact{remedy}"]
    return []


def _of_masks(facts: Mapping[str, Any], cleaned: Cleaned | None) -> list[str]:
    if cleaned is None:
        return []
    doubts = list(cleaned.doubts)
    labels = facts["found"] - len(cleaned.added)
    if cleaned.added and len(cleaned.places) > MANY_PLACES * labels:
        doubts.append(
            f"{len(cleaned.places)} of {labels} labels name two or more places each, so that cells of one label that "
            "touch are taken as one cell"
        )
    return doubts
