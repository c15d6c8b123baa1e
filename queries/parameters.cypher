// The fitted parameters, one row per inner cell and model, from the latest run of each model.
// parameter culture: string
// column culture: string   the culture's uid
// column label: int
// column uid: string
// column model: string   as `fit --model`
// column run: string   uid of the FitRun
// column fitted: map   becomes one column per parameter: k, feed, their bounds, errors, and the model's own
// order model, label
MATCH (c:Culture {uid: $culture, complete: true})<-[:OF]-(r:FitRun)
WITH r ORDER BY coalesce(r.number, 0) DESC, datetime(toString(r.created)) DESC, r.uid = c.last_fit DESC
WITH r.model AS model, collect(r.uid)[0] AS latest
MATCH (f:FitRun {uid: latest})<-[x:FITTED]-(k:Cell)
RETURN $culture AS culture, k.label AS label, k.uid AS uid, model, latest AS run, properties(x) AS fitted
