// Cells that start more waves than chance.
// parameter culture: string
// parameter level: float = 0.05   cells with q up to this are listed; 1 lists all that started a wave
// column label: int
// column uid: string
// column border: bool   a wave may have come from outside the recording
// column waves: int   how many began here
// column alone: int   of these, how many can have begun nowhere else
// column expected: float   waves that would begin here if every cell with events began as many
// column p: float   probability of so many or more; it and what stands before and after are computed in Python
// column q: float   p with false-discovery control over the cells
// column starts: list   numbers of the waves that began here
// order label
MATCH (:Culture {uid: $culture, complete: true})<-[:OF]-(r:EventRun {complete: true})
MATCH (r)<-[m:MEASURED]-(c:Cell)
WHERE m.events > 0
RETURN c.label AS label, c.uid AS uid, c.border AS border,
       [(c)<-[:STARTED_AT]-(w:Wave) WHERE w.run = r.run AND w.kind = 'wave' | w.number] AS starts
