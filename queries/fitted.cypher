// What `compare` reads of fits: the latest of each of several cultures, with the medians over its cells.
// parameter cultures: list
// parameter model: string = robust
// parameter stale: bool = false   fits of masks that were mended since, too
// column culture: string
// column condition: string
// column intensity_gain: float
// column cells: int   of the culture, border cells included
// column run: string
// column case: string
// column identified: string   identified, weak or not identified: whether the data tell k
// column settings: string   JSON
// column facts: string   JSON
// column stale: string
// column null_sync: float   of the run; null where it was fitted without a null
// column null_sync_mean: float
// column middles: map   fitted_cells, and median_ and mad_ of parameters; a fit of an older calcigraph has none
// order culture
MATCH (c:Culture {complete: true})<-[:OF]-(r:FitRun {model: $model})
WHERE c.uid IN $cultures AND ($stale OR r.stale IS NULL)
WITH c, r ORDER BY coalesce(r.number, 0) DESC, datetime(toString(r.created)) DESC, r.uid = c.last_fit DESC
WITH c, collect(r.uid)[0] AS latest
MATCH (f:FitRun {uid: latest})
RETURN c.uid AS culture, c.condition AS condition, c.intensity_gain AS intensity_gain,
       COUNT { (c)-[:HAS_CELL]->(:Cell) } AS cells, f.uid AS run, f.case AS case, f.identified AS identified,
       coalesce(f.settings, f.options) AS settings, f.facts AS facts, f.stale AS stale,
       f.null_sync AS null_sync, f.null_sync_mean AS null_sync_mean,
       {fitted_cells: f.fitted_cells,
        median_k: f.median_k, mad_k: f.mad_k, median_k_cell: f.median_k_cell, mad_k_cell: f.mad_k_cell,
        median_feed: f.median_feed, mad_feed: f.mad_feed, median_mse_train: f.median_mse_train,
        mad_mse_train: f.mad_mse_train, median_mse_test: f.median_mse_test, mad_mse_test: f.mad_mse_test} AS middles
