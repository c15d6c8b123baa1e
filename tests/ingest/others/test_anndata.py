"""AnnData, written by anndata, with what squidpy puts in it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from calcigraph.errors import InputError

anndata = pytest.importorskip("anndata")
pandas = pytest.importorskip("pandas")

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture
def made(tmp_path, tissue):
    """Makes the file; what is given as None is left out."""

    def made(names=None, interval=4.0, spatial=True, layers=(), obsp=None, var=None, sparse=False):
        count, frames = tissue.traces.shape
        positions = np.random.default_rng(0).uniform(0, 200, (count, 2))
        data = anndata.AnnData(
            X=csr_matrix(tissue.traces) if sparse else tissue.traces.copy(),
            obs=pandas.DataFrame(index=[str(i + 1) for i in range(count)] if names is None else names),
            var=pandas.DataFrame(var or {}, index=[f"frame_{i}" for i in range(frames)]),
        )
        if spatial:
            data.obsm["spatial"] = positions
        for name in layers:
            data.layers[name] = tissue.traces * 3
        if obsp is not None:
            data.obsp["spatial_connectivities"] = csr_matrix(obsp)
        if interval is not None:
            data.uns["frame_interval_s"] = interval
        path = tmp_path / "a.h5ad"
        data.write_h5ad(path)
        return path, positions

    return made


@pytest.mark.parametrize("sparse", [False, True])
def test_values_are_anndatas_and_contacts_follow_from_positions(made, read, sparse):
    path, positions = made(sparse=sparse)
    data, same = read(path), anndata.read_h5ad(path)
    assert (data.cells.intensity == (same.X.toarray() if sparse else same.X)).all()
    assert (np.stack([data.cells.x_px, data.cells.y_px], axis=1) == positions).all()
    assert data.culture.frame_interval_s == 4.0
    assert data.culture.masks == "traces:AnnData"
    assert len(data.contacts) > 40
    assert np.isnan(data.contacts.shared_border_px).all()
    assert "max_distance" in data.culture.options


def test_contacts_of_the_file_are_taken(made, read, tissue):
    count = len(tissue.traces)
    ring = np.zeros((count, count))
    for i in range(count):
        ring[i, (i + 1) % count] = 1.0
    path, positions = made(obsp=ring)
    data = read(path)
    pairs = set(zip(data.contacts.label_a.tolist(), data.contacts.label_b.tolist(), strict=True))
    assert pairs == {tuple(sorted((i + 1, (i + 1) % count + 1))) for i in range(count)}
    a, b = data.contacts.label_a - 1, data.contacts.label_b - 1
    assert np.allclose(data.contacts.centroid_distance_px, np.linalg.norm(positions[a] - positions[b], axis=1))
    with pytest.raises(InputError, match="--max-distance"):
        read(path, max_distance_px=5.0)


def test_layers_and_names_of_cells(made, read, tissue):
    path, _ = made(names=[f"cell-{i}" for i in range(len(tissue.traces))], layers=("dff",))
    data = read(path, signal="dff")
    assert (data.cells.intensity == tissue.traces * 3).all()
    assert data.cells.labels.tolist() == list(range(1, len(tissue.traces) + 1))
    assert any("1 is cell-0" in each for each in data.culture.warnings)
    with pytest.raises(InputError, match="it has dff"):
        read(path, signal="spikes")


def test_labels_in_another_order_keep_their_contacts(made, read, tissue):
    count = len(tissue.traces)
    chain = np.zeros((count, count))
    chain[0, 1] = chain[1, 2] = 1
    path, _ = made(names=[str(3 * (count - i)) for i in range(count)], obsp=chain)
    data = read(path)
    assert (data.cells.intensity == tissue.traces[::-1]).all()
    top = 3 * count
    assert list(zip(data.contacts.label_a.tolist(), data.contacts.label_b.tolist(), strict=True)) == [
        (top - 6, top - 3),
        (top - 3, top),
    ]


def test_times_of_a_column(made, read, tissue):
    times = np.arange(tissue.traces.shape[1]) * 2.5
    path, _ = made(interval=None, var={"time_s": times})
    assert read(path).culture.frame_interval_s == 2.5
    path, _ = made(interval=None)
    with pytest.raises(InputError, match="--frame-interval"):
        read(path)


def test_without_positions_it_is_refused(made, read):
    path, _ = made(spatial=False)
    with pytest.raises(InputError, match="--positions") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_positions_of_a_table(made, read, tissue, tmp_path):
    path, places = made(names=[f"cell-{i}" for i in range(len(tissue.traces))], spatial=False)
    lines = ["name;x;y", *(f"cell-{i};{x};{y}" for i, (x, y) in enumerate(places.tolist()))]
    (tmp_path / "p.csv").write_text("\n".join(lines))
    data = read(path, positions=str(tmp_path / "p.csv"), columns="cell=name")
    assert (np.stack([data.cells.x_px, data.cells.y_px], axis=1) == places).all()
    with pytest.raises(InputError, match="--columns goes with tables"):
        read(path, columns="cell=name")
