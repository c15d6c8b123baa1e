// What `compare` reads of a fit without medians: the fitted parameters of its cells.
// parameter run: string   uid of the FitRun
// column label: int
// column fitted: map
// order label
MATCH (:FitRun {uid: $run})<-[x:FITTED]-(k:Cell)
RETURN k.label AS label, properties(x) AS fitted
