// The fits of a culture, oldest first; what a model does not give is null.
// parameter culture: string
// column run: string   uid of the FitRun
// column culture: string   the culture's uid
// column model: string
// column case: string
// column k: float   1/s; _low and _high: its 95 % interval
// column k_low: float
// column k_high: float
// column identified: string   identified, weak or not identified: whether the data tell k
// column why: string   what speaks against it
// column feed: float   normalised intensity per second, the median over cells
// column feed_low: float
// column feed_high: float
// column mse_train: float
// column mse_test: float
// column null_k: float   rough k, 1/s; _mean, _z and _p: against chance; a small _p: neighbours share more than a smooth drive gives them
// column null_k_mean: float
// column null_k_z: float
// column null_k_p: float
// column null_sync: float   mean correlation of changes between contacts, without a smooth drive; _mean, _z and _p as for null_k
// column null_sync_mean: float
// column null_sync_z: float
// column null_sync_p: float
// column settings: string   JSON: what the user decided, defaults included
// column facts: string   JSON: what followed from the culture and its data, such as the weight scale and the noise
// column stale: string   why it no longer goes with the culture's masks; null where it does
// column created: string
// column version: string
// shown model, case, k, k_low, k_high, identified, feed, null_k_p, why
MATCH (c:Culture {uid: $culture, complete: true})<-[:OF]-(r:FitRun)
RETURN r.uid AS run, c.uid AS culture, r.model AS model, r.case AS case,
       r.k AS k, r.k_low AS k_low, r.k_high AS k_high, r.identified AS identified, r.why AS why,
       r.feed AS feed, r.feed_low AS feed_low, r.feed_high AS feed_high,
       r.mse_train AS mse_train, r.mse_test AS mse_test,
       r.null_k AS null_k, r.null_k_mean AS null_k_mean, r.null_k_z AS null_k_z, r.null_k_p AS null_k_p,
       r.null_sync AS null_sync, r.null_sync_mean AS null_sync_mean, r.null_sync_z AS null_sync_z,
       r.null_sync_p AS null_sync_p, coalesce(r.settings, r.options) AS settings, r.facts AS facts, r.stale AS stale, r.created AS created,
       r.version AS version
ORDER BY coalesce(r.number, 0), datetime(toString(created)), run
