// What `picture` draws of a model's training: losses, paths of the parameters and the network's traces.
// parameter run: string
// column curves: string   JSON (Fit.curves); null where the model does not train
MATCH (r:FitRun {uid: $run})
RETURN r.curves AS curves
