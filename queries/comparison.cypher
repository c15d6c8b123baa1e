// What `compare` reads: the fitted parameters of the inner cells of several cultures, with how they were fitted.
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
// column label: int
// column fitted: map
// column null_sync: float   of the run; null where it was fitted without a null
// column null_sync_mean: float
// order culture, label
MATCH (c:Culture {complete: true})<-[:OF]-(r:FitRun {model: $model})
WHERE c.uid IN $cultures AND ($stale OR r.stale IS NULL)
WITH c, r ORDER BY coalesce(r.number, 0) DESC, datetime(toString(r.created)) DESC, r.uid = c.last_fit DESC
WITH c, collect(r.uid)[0] AS latest
WITH c.uid AS culture, c.condition AS condition, c.intensity_gain AS intensity_gain, latest,
     COUNT { (c)-[:HAS_CELL]->(:Cell) } AS cells
MATCH (f:FitRun {uid: latest})<-[x:FITTED]-(k:Cell)
RETURN culture, condition, intensity_gain, cells, latest AS run, f.case AS case, f.identified AS identified,
       coalesce(f.settings, f.options) AS settings, f.facts AS facts, k.label AS label,
       properties(x) AS fitted, f.null_sync AS null_sync, f.null_sync_mean AS null_sync_mean
