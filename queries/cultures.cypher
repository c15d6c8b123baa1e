// The complete cultures, one row each.
// column culture: string
// column experiment: string
// column condition: string
// column frames: int
// column frame_interval_s: float
// column pixel_size_um: float
// column cells: int
// column inner_cells: int   cells that are not at the border: a model of setup 1 fits these
// column contacts: int
// column fits: int
// column waves: int   events that spread, as `calcigraph events` found them
// column annotations: map   what `calcigraph annotate` said; the Cypher gives pairs of name and value
// column warnings: int   how many; `calcigraph status` shows them
// column created: string
// column version: string
// shown culture, experiment, condition, frames, cells, contacts, fits, warnings, annotations
MATCH (c:Culture {complete: true})
OPTIONAL MATCH (e:Experiment)-[:INCLUDES]->(c)
RETURN c.uid AS culture, e.name AS experiment, c.condition AS condition, c.frames AS frames,
       c.frame_interval_s AS frame_interval_s, c.pixel_size_um AS pixel_size_um,
       COUNT { (c)-[:HAS_CELL]->(:Cell) } AS cells,
       coalesce(c.inner_cells, COUNT { (c)-[:HAS_CELL]->(:Cell {border: false}) }) AS inner_cells,
       coalesce(c.contacts, COUNT { (c)-[:HAS_CELL]->(:Cell)-[:ADJACENT]->(:Cell) }) AS contacts,
       COUNT { (c)<-[:OF]-(:FitRun) } AS fits,
       COUNT { (c)<-[:OF]-(:EventRun {complete: true})<-[:OF]-(:Wave {kind: 'wave'}) } AS waves,
       [name IN coalesce(c.annotations, []) | [name, c[name]]] AS annotations,
       size(coalesce(c.warnings, [])) AS warnings, c.created AS created, c.version AS version
ORDER BY culture
