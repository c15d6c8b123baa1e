// Made before the first node is written: without these constraints two MERGEs at once could make one node twice.
CREATE CONSTRAINT meta_name IF NOT EXISTS FOR (m:Meta) REQUIRE m.name IS UNIQUE;
CREATE CONSTRAINT experiment_name IF NOT EXISTS FOR (e:Experiment) REQUIRE e.name IS UNIQUE;
CREATE CONSTRAINT culture_uid IF NOT EXISTS FOR (k:Culture) REQUIRE k.uid IS UNIQUE;
CREATE CONSTRAINT cell_uid IF NOT EXISTS FOR (c:Cell) REQUIRE c.uid IS UNIQUE;
CREATE CONSTRAINT fit_run_uid IF NOT EXISTS FOR (r:FitRun) REQUIRE r.uid IS UNIQUE;

CREATE CONSTRAINT forecast_run_uid IF NOT EXISTS FOR (r:ForecastRun) REQUIRE r.uid IS UNIQUE;
CREATE CONSTRAINT event_run_uid IF NOT EXISTS FOR (r:EventRun) REQUIRE r.uid IS UNIQUE;
// No constraint on the uid of events and waves: while a run replaces another, both have them.
CREATE INDEX event_uid IF NOT EXISTS FOR (e:Event) ON (e.uid);
CREATE INDEX event_onset IF NOT EXISTS FOR (e:Event) ON (e.onset_s);
CREATE INDEX wave_uid IF NOT EXISTS FOR (w:Wave) ON (w.uid);
