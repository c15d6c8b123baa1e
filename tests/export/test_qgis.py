"""The maps in QGIS itself, where it is installed for the system's own Python."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from calcigraph.export.collected import Collected
from calcigraph.export.maps import write_contact_geojson, write_geojson
from calcigraph.store.graph import Graph

PYTHON = Path("/usr/bin/python3")
SCRIPT = """
import json, sys
from qgis.core import QgsApplication, QgsVectorLayer
application = QgsApplication([], False)
application.initQgis()
found = []
for path in sys.argv[1:]:
    layer = QgsVectorLayer(path, "layer", "ogr")
    box = layer.extent()
    found.append({
        "valid": layer.isValid(), "features": layer.featureCount(), "degrees": layer.crs().isGeographic(),
        "crs": layer.crs().description(), "fields": [field.name() for field in layer.fields()],
        "box": [box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()],
        "broken": sum(not each.geometry().isGeosValid() for each in layer.getFeatures()),
    })
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def lab(embedded_lab: Graph) -> Graph:
    return embedded_lab


def in_qgis(*paths: Path) -> list[dict[str, Any]]:
    """What QGIS says of files; skips where there is none."""
    here = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    words = [str(PYTHON), "-c", SCRIPT, *map(str, paths)]
    if not PYTHON.exists() or subprocess.run([words[0], "-c", "import qgis.core"], capture_output=True).returncode:
        pytest.skip("QGIS is not installed for /usr/bin/python3 (Debian: python3-qgis)")
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=120, env=here | {"QT_QPA_PLATFORM": "offscreen"}, check=True
    )
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_qgis_opens_cells_and_contacts_as_pixels_with_y_up(rich: Collected, tmp_path: Path) -> None:
    write_geojson(rich, tmp_path / "a.geojson")
    write_contact_geojson(rich, tmp_path / "a_contacts.geojson")
    cells, contacts = in_qgis(tmp_path / "a.geojson", tmp_path / "a_contacts.geojson")
    for layer, count in ((cells, len(rich.cells)), (contacts, len(rich.subgraph.pairs))):
        assert (layer["valid"], layer["features"], layer["broken"]) == (True, count, 0)
        assert (layer["degrees"], layer["crs"]) == (False, "pixels of the picture, y up")
        left, bottom, right, top = layer["box"]
        assert 0 <= left < right
        assert bottom < top <= 0  # the first row of the picture is uppermost
    assert {"label", "robust_k_cell", "event_rate_per_h"} <= set(cells["fields"])
    assert {"label_a", "label_b", "shared_border_px"} <= set(contacts["fields"])
