// Made before the first node is written: without these constraints two MERGEs at once could make one node twice.
CREATE CONSTRAINT experiment_name IF NOT EXISTS FOR (e:Experiment) REQUIRE e.name IS UNIQUE;
CREATE CONSTRAINT culture_uid IF NOT EXISTS FOR (k:Culture) REQUIRE k.uid IS UNIQUE;
CREATE CONSTRAINT cell_uid IF NOT EXISTS FOR (c:Cell) REQUIRE c.uid IS UNIQUE;
CREATE CONSTRAINT fit_run_uid IF NOT EXISTS FOR (r:FitRun) REQUIRE r.uid IS UNIQUE;
