// The chosen cell: its traces, its events, its parameters with their intervals, its neighbours.

const WAVE_COLOUR = "#d55e00", EVENT_COLOUR = "#0072b2";
const hiddenLines = new Set(settings.lines.filter((each) => each.hidden).map((each) => each.key));

/** Draw the traces of a cell. */
function drawTraces(shownCulture, row) {
  const times = shownCulture.times, empty = { x: [], y: [] };
  const line = (traces) => {
    const found = traces && row >= 0 ? traces.trace(row) : null;
    return found ? { x: times, y: found } : empty;
  };
  const near = row < 0 ? [] : shownCulture.near[row];
  fill("line-near", { xs: near.map(() => times), ys: near.map((each) => shownCulture.observed.trace(each)) });
  fill("line-observed", line(shownCulture.observed));
  for (const { key } of settings.lines) fill(`line-${key}`, line(shownCulture.lines[key]));
  fill("line-events", eventMarks(shownCulture, row));
  const plot = model("trace");
  plot.below.find((each) => each.axis_label).axis_label = shownCulture.axis;
  plot.left.find((each) => each.axis_label).axis_label = shownCulture.intensity;
}

/** A mark above each peak. */
function eventMarks(shownCulture, row) {
  const marks = { x: [], y: [], colour: [] }, events = shownCulture.events;
  if (!events || row < 0) return marks;
  const trace = shownCulture.observed.trace(row).filter(Number.isFinite);
  const gap = 0.05 * (Math.max(...trace) - Math.min(...trace) || 1);
  for (const at of eventsOf(shownCulture, row)) {
    marks.x.push(events.peak[at]);
    marks.y.push(events.level[at] + gap);
    marks.colour.push(events.wave[at] ? WAVE_COLOUR : EVENT_COLOUR);
  }
  return marks;
}

function eventsOf(shownCulture, row) {
  const found = [];
  if (shownCulture.events) shownCulture.events.row.forEach((each, at) => { if (each === row) found.push(at); });
  return found;
}

/** What the lines are, each with a box that hides it. */
function drawLegend(shownCulture, row, dark) {
  const ink = dark ? "#e8eef2" : "#17212a", entries = [{ key: "observed", name: "observed", colour: ink }];
  for (const each of settings.lines) {
    if (row >= 0 && shownCulture.lines[each.key] && shownCulture.lines[each.key].at[row] >= 0) entries.push(each);
  }
  if (row >= 0 && shownCulture.near[row].length) entries.push({ key: "near", name: "neighbours", colour: nearColour(dark) });
  if (eventsOf(shownCulture, row).length) {
    entries.push({ key: "events", name: "events (orange: in a wave)", colour: EVENT_COLOUR, mark: true });
  }
  $("legend").replaceChildren(...entries.map(({ key, name, colour, mark, thin }) => {
    const box = element("input", { type: "checkbox", onchange: () => {
      if (box.checked) hiddenLines.delete(key); else hiddenLines.add(key);
      showLines();
    } });
    box.checked = !hiddenLines.has(key);
    const sample = element("i", { class: mark ? "mark" : thin ? "thin" : null });
    sample.style.borderTopColor = colour;
    return element("label", {}, box, sample, name);
  }));
  showLines();
}

const nearColour = (dark) => (dark ? "#5d6b76" : "#b5b5b5");

function showLines() {
  for (const key of ["observed", "near", "events", ...settings.lines.map((each) => each.key)]) {
    model(`draw-${key}`).visible = !hiddenLines.has(key);
  }
}

/** The numbers and sentences about a cell. */
function drawFacts(shownCulture, row, choose) {
  const parts = [], rows = shownCulture.quantities.filter((each) => Number.isFinite(each.values[row]));
  const best = shownCulture.models[0], others = shownCulture.models.slice(1).map((each) => each.model);
  $("word").textContent = shownCulture.border[row] ? "border cell: neighbours may be missing, so it has no coupling"
    : best && best.word[row] ? `its coupling: ${best.word[row]}${unlike(best, row)}` : "";
  const of = (model) => rows.filter((each) => each.key.startsWith(`${model}_`));
  const first = rows.filter((each) => !others.some((model) => each.key.startsWith(`${model}_`)));
  parts.push(factTable(first, row), ...reasons(best, row));
  for (const each of shownCulture.models.slice(1)) {
    if (!of(each.model).length) continue;
    parts.push(folded(`fit of ${each.model}`, `fit of ${each.model}`,
      factTable(of(each.model), row), ...reasons(each, row, each.word[row])));
  }
  const remarks = shownCulture.remarks[row] || [];
  if (remarks.length) {
    parts.push(element("ul", {}, ...remarks.map(([kind, text]) => element("li", {}, `${kind}: ${text}`))));
  }
  parts.push(...eventList(shownCulture, row));
  const near = shownCulture.near[row];
  parts.push(element("h3", {}, near.length ? `Neighbours (${near.length})` : "No neighbours"));
  parts.push(element("div", { class: "chips" }, ...near.map((each) =>
    element("button", { type: "button", onclick: () => choose(each) }, String(shownCulture.labels[each])))));
  const within = $("facts").contains(document.activeElement);
  $("facts").replaceChildren(...parts);
  // Who walks from neighbour to neighbour with the keyboard stays among them.
  const chip = within && $("facts").querySelector(".chips button");
  if (chip) chip.focus({ preventScroll: true });
}

/** A cell's own interval may be narrow although something speaks against the coupling of the culture. */
function unlike(fit, row) {
  return fit.culture && fit.culture !== fit.word[row] ? `; that of the culture: ${fit.culture}` : "";
}

function factTable(rows, row) {
  return element("table", {},
    element("thead", {}, element("tr", {}, ...["", "value", "95 %"].map((text, place) =>
      element("th", { scope: "col", class: place ? "n" : null }, text)))),
    element("tbody", {}, ...rows.map((each) => element("tr", { "data-key": each.key },
      element("th", { scope: "row" }, each.label),
      element("td", { class: "n" }, shown(each.values[row])),
      element("td", { class: "n" }, interval(each, row))))));
}

const unfolded = new Set();

/** A part that is shown on demand, and stays open from cell to cell. */
function folded(key, title, ...parts) {
  const made = element("details", { open: unfolded.has(key) ? "" : null }, element("summary", {}, title), ...parts);
  made.addEventListener("toggle", () => { if (made.open) unfolded.add(key); else unfolded.delete(key); });
  return made;
}

/** What speaks against the coupling of a cell, and how its trace is followed. */
function reasons(fit, row, word = "") {
  if (!fit) return [];
  const told = [word && `its coupling: ${word}`, fit.stale && "stale: the masks were mended since", fit.why[row], fit.group[row]];
  return told.some(Boolean) ? [element("p", {}, `${fit.model}: ${told.filter(Boolean).join("; ")}`)] : [];
}

/** After a choice further down: up to the map, with the focus too. */
function showMap() {
  $("cells").scrollIntoView();
  $("map-box").focus({ preventScroll: true });
}

/** The cells in which no event was found, as buttons. */
function drawSilent(shownCulture, choose) {
  const { silent, labels } = shownCulture;
  $("silent").hidden = !silent;
  if (!silent) return;
  const { rows, noisy } = silent, hidden = new Set(noisy), count = rows.length;
  $("silent-said").textContent = count
    ? `No event was found in ${count} of ${labels.length} cells.${noisy.length ? ` ${noisy.length} of them (marked ~) have noisy traces, in which small events may hide.` : ""}`
    : "Every cell has an event.";
  $("silent-cells").hidden = !count;
  $("silent-cells").replaceChildren(...rows.map((row) => element("button", { type: "button", onclick: () => {
    choose(row);
    showMap();
  } }, `${labels[row]}${hidden.has(row) ? " ~" : ""}`)));
}

function eventList(shownCulture, row) {
  const events = shownCulture.events, found = eventsOf(shownCulture, row);
  if (!events) return [];
  if (!found.length) return [element("p", {}, "No event was found in this cell.")];
  const unit = shownCulture.axis.replace(/^.*\(|\)$/g, "");
  return [folded("events", `${found.length} event${found.length > 1 ? "s" : ""}`,
    element("table", {},
      element("thead", {}, element("tr", {}, ...[`half rise (${unit})`, `amplitude (${shownCulture.intensity_unit})`, "signal to noise", "wave"]
        .map((text) => element("th", { scope: "col", class: "n" }, text)))),
      element("tbody", {}, ...found.map((at) => element("tr", {},
        ...[shown(events.half[at], 4), shown(events.amplitude[at]), shown(events.snr[at]), events.wave[at] || "–"]
          .map((text) => element("td", { class: "n" }, String(text))))))))];
}

/** One sentence for readers who cannot see the map. */
function saidOf(shownCulture, row, frame) {
  const best = shownCulture.models[0], coupling = best && shownCulture.byKey[best.coupling];
  const parts = [`cell ${shownCulture.labels[row]}`];
  parts.push(`${shownCulture.intensity} ${shown(shownCulture.observed.value(row, frame))}`);
  if (coupling && Number.isFinite(coupling.values[row])) {
    parts.push(`coupling ${shown(coupling.values[row])} ${coupling.unit}${best.word[row] ? `, ${best.word[row]}` : ""}`);
  }
  parts.push(`${shownCulture.near[row].length} neighbours`);
  return parts.join("; ");
}

/** Fill the histograms of a culture, and hide those that it does not need. */
function drawHistograms(shownCulture) {
  const wanted = shownCulture.quantities.filter((each) => each.histogram);
  document.querySelectorAll("#histogram-grid > div").forEach((box, place) => {
    box.hidden = place >= wanted.length;
    const plot = model(`histogram-${place}`);
    if (box.hidden || !plot) return;
    const { label, histogram, shared, name } = wanted[place], { edges, counts, log, ticks } = histogram;
    fill(`bars-${place}`, { left: edges.slice(0, -1), right: edges.slice(1), top: counts });
    plot.x_range.setv({ start: edges[0], end: edges[edges.length - 1] });
    plot.y_range.setv({ start: 0, end: 1.08 * Math.max(...counts, 1) });
    const axis = plot.below[0];
    box.querySelector("h3").textContent = label;
    axis.major_label_overrides = new Map(ticks);
    axis.ticker.ticks = ticks.map(([spot]) => spot);
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", `Histogram of ${name}, from ${shown(log ? 10 ** edges[0] : edges[0])} to ${shown(log ? 10 ** edges[edges.length - 1] : edges[edges.length - 1])}`);
    moveLine(`shared-${place}`, shared, log);
  });
}

function moveLine(name, value, log) {
  const known = value !== null && value !== undefined && Number.isFinite(value) && (!log || value > 0);
  model(name).setv({ location: known ? (log ? Math.log10(value) : value) : 0, visible: known });
}

function markHistograms(shownCulture, row) {
  shownCulture.quantities.filter((each) => each.histogram).forEach((each, place) => {
    if (model(`here-${place}`)) moveLine(`here-${place}`, row < 0 ? null : each.values[row], each.histogram.log);
  });
}
