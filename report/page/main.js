// What is shown, and what changes it.

const state = { place: 0, culture: null, frame: 0, colour: "intensity", wave: 0, row: -1, timer: 0 };
const isDark = () => document.documentElement.dataset.theme === "dark";
const FRAME_MS = 70; // from one frame of the film to the next

function waveOf() { return state.culture.waves.find((each) => each.number === state.wave) || null; }

/** The values that colour the map now, their scale and its title. */
function coloured() {
  const { culture: shownCulture, colour, frame } = state, wave = waveOf();
  if (colour === "wave" && wave) return { values: wave.since, scale: wave.scale, title: wave.label, unit: "" };
  const quantity = shownCulture.byKey[colour];
  if (quantity) return { values: quantity.values, scale: quantity.scale, title: quantity.label, unit: quantity.unit };
  const values = Float64Array.from(shownCulture.labels, (_, row) => shownCulture.observed.value(row, frame));
  return { values, scale: shownCulture.intensity_scale, title: shownCulture.intensity, unit: "" };
}

function paint(withBar = false) {
  const { values, scale, title } = coloured();
  paintMap(values, scale, isDark());
  if (withBar) paintBar(scale, title);
}

function showFrame(frame) {
  const { times, axis } = state.culture;
  state.frame = frame;
  $("frame").value = frame;
  const unit = axis.replace(/^.*\(|\)$/g, "");
  $("when").textContent = `${times[frame].toFixed(unit === "min" ? 2 : 1)} ${unit}, frame ${frame}`;
  $("frame").setAttribute("aria-valuetext", $("when").textContent);
  if (state.colour === "intensity") paint();
  model("now").location = times[frame];
}

function choose(row) {
  const shownCulture = state.culture;
  state.row = row;
  outlineCells(shownCulture, row);
  drawTraces(shownCulture, row);
  drawLegend(shownCulture, row, isDark());
  drawFacts(shownCulture, row, choose);
  markHistograms(shownCulture, row);
  markRow(shownCulture, row, choose);
  $("cell").value = shownCulture.labels[row];
  $("said").textContent = saidOf(shownCulture, row, state.frame);
}

function showWave(number, recolour = true) {
  state.wave = number;
  $("wave").value = number;
  const wave = waveOf(), option = $("colour").querySelector('option[value="wave"]');
  if (option) option.disabled = !wave;
  drawWave(state.culture, wave);
  scaleArrows(wave, state.culture);
  if (wave && recolour) setColour("wave");
  else if (!wave && state.colour === "wave") setColour("intensity");
  if (wave) showFrame(wave.frame);
}

function setColour(colour) {
  state.colour = colour;
  $("colour").value = colour;
  paint(true);
}

function showCulture(place) {
  stop();
  const shownCulture = culture(place);
  Object.assign(state, { place, culture: shownCulture, frame: 0, colour: "intensity", wave: 0, row: -1 });
  $("culture-name").textContent = shownCulture.about;
  document.querySelectorAll("[data-of]").forEach((each) => { each.hidden = Number(each.dataset.of) !== place; });
  document.querySelectorAll("tr[data-culture]").forEach((each) => {
    if (Number(each.dataset.culture) === place) each.setAttribute("aria-current", "true");
    else each.removeAttribute("aria-current");
  });
  const choices = [["intensity", shownCulture.intensity], ...shownCulture.quantities.map((each) => [each.key, each.label])];
  if (shownCulture.waves.length) choices.push(["wave", "time of the rise in the wave"]);
  $("colour").replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
  $("wave-label").hidden = !shownCulture.waves.length;
  const waves = [[0, "none"], ...shownCulture.waves.map((each) => [each.number, each.text])];
  $("wave").replaceChildren(...waves.map(([value, text]) => element("option", { value }, text)));
  $("frame").max = shownCulture.times.length - 1;
  $("cell").min = shownCulture.labels[0];
  $("cell").max = shownCulture.labels[shownCulture.labels.length - 1];
  $("run-hint").hidden = !Object.keys(shownCulture.lines).length;
  $("resolution").textContent = shownCulture.resolution;
  sizeMap(shownCulture);
  fitMap(shownCulture);
  drawLabels(shownCulture);
  showWave(0);
  drawContacts(shownCulture, $("contacts").checked);
  $("search").value = "";
  startTable(shownCulture, choose);
  drawHistograms(shownCulture);
  drawSilent(shownCulture, choose);
  choose(shownCulture.start);
  listed.page = 0; // nobody chose that cell yet
  showPage(shownCulture, choose);
  setColour("intensity");
  showFrame(0);
}

function stop() {
  clearInterval(state.timer);
  state.timer = 0;
  $("play").textContent = "▶";
  $("play").setAttribute("aria-pressed", "false");
  $("play").setAttribute("aria-label", "Play");
}

function play() {
  if (state.colour !== "intensity") setColour("intensity");
  state.timer = setInterval(() => showFrame((state.frame + 1) % state.culture.times.length), FRAME_MS);
  $("play").textContent = "❚❚";
  $("play").setAttribute("aria-pressed", "true");
  $("play").setAttribute("aria-label", "Pause");
}

/** Give every figure the colours of the page. */
function dress() {
  const dark = isDark(), ink = dark ? "#d5dee5" : "#2b3842", card = dark ? "#182129" : "#ffffff", line = dark ? "#36444f" : "#dbe2e7";
  for (const each of Bokeh.documents) {
    for (const plot of each.roots()) {
      plot.setv({ background_fill_color: card, border_fill_color: card, outline_line_color: line, border_line_color: null });
      for (const axis of [...plot.below, ...plot.left]) {
        if (axis.type === "ColorBar") {
          axis.setv({ background_fill_color: card, title_text_color: ink, major_label_text_color: ink, title_text_font_style: "normal", title_text_font_size: "13px", major_label_text_font_size: "12px" });
          continue;
        }
        axis.setv({ axis_label_text_color: ink, major_label_text_color: ink, axis_line_color: line, major_tick_line_color: line, minor_tick_line_color: null, axis_label_text_font_style: "normal", axis_label_text_font_size: "13px", major_label_text_font_size: "12px" });
      }
      for (const grid of plot.center) if ("grid_line_color" in grid) grid.grid_line_color = line;
    }
  }
  model("draw-observed").glyph.line_color = dark ? "#e8eef2" : "#17212a";
  model("draw-near").glyph.line_color = nearColour(dark);
  model("contact-lines").glyph.setv({ line_color: dark ? "#ffffff" : "#111111", line_alpha: dark ? 0.6 : 0.55 });
  $("theme").textContent = dark ? "Light" : "Dark";
}

function listen() {
  $("colour").onchange = () => setColour($("colour").value);
  $("wave").onchange = () => showWave(Number($("wave").value));
  $("contacts").onchange = () => drawContacts(state.culture, $("contacts").checked);
  $("frame").oninput = () => { stop(); if (state.colour !== "intensity") setColour("intensity"); showFrame(Number($("frame").value)); };
  $("play").onclick = () => (state.timer ? stop() : play());
  $("theme").onclick = () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    dress();
    paint();
    drawLegend(state.culture, state.row, isDark());
  };
  $("cell").onchange = () => {
    const row = state.culture.ofLabel.get(Number($("cell").value));
    if (row === undefined) $("said").textContent = `there is no cell ${$("cell").value}`;
    choose(row === undefined ? state.row : row);
  };
  const turn = (step) => choose((state.row + step + state.culture.labels.length) % state.culture.labels.length);
  $("before").onclick = () => turn(-1);
  $("after").onclick = () => turn(1);
  $("search").oninput = () => listRows(state.culture, choose);
  $("page-before").onclick = () => { listed.page -= 1; showPage(state.culture, choose); };
  $("page-after").onclick = () => { listed.page += 1; showPage(state.culture, choose); };
  $("map-box").onkeydown = (event) => {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (!ways[event.key] || event.target !== $("map-box")) return;
    event.preventDefault();
    choose(cellTowards(state.culture, state.row, ...ways[event.key]));
  };
  document.querySelectorAll("button[data-culture]").forEach((button) => {
    button.onclick = () => { showCulture(Number(button.dataset.culture)); $("cells").scrollIntoView(); };
  });
}

/** Follow zooming and resizing: the picture of labels is always that of the part that is seen. */
function follow() {
  const plot = model("map");
  const later = (work) => { clearTimeout(view.timer); view.timer = setTimeout(work, 120); };
  const redraw = () => { drawLabels(state.culture); scaleArrows(waveOf(), state.culture); paint(); };
  for (const range of [plot.x_range, plot.y_range]) {
    for (const end of ["start", "end"]) range.properties[end].change.connect(() => later(redraw));
  }
  for (const size of ["inner_width", "inner_height"]) {
    plot.properties[size].change.connect(() => later(() => { sizeMap(state.culture); refitMap(state.culture); redraw(); }));
  }
}

function chooseAt(x, y) {
  const row = cellAt(x, y, state.culture);
  if (row >= 0) choose(row);
}

window.calcigraphReport = {
  state,
  coloured,
  tickText,
  tap: chooseAt,
  doubletap: chooseAt,
  mousemove: (x, y) => {
    const row = cellAt(x, y, state.culture), { values, title } = coloured();
    $("under").textContent = row < 0 ? "\u00a0" : `cell ${state.culture.labels[row]}: ${title} ${shown(values[row])}`;
  },
  mouseleave: () => { $("under").textContent = "\u00a0"; },
};

async function embed(item, into) {
  into.id = into.id || `figure-${item.root_id}`;
  await Bokeh.embed.embed_item(item, into.id);
}

/** Figures further down are made when the first ones can be seen. */
async function embedRest(figures) {
  // The titles are texts of the page, which take a second line where a figure would cut them.
  const grid = (id, items, titles) => items.map((item, place) => {
    const box = element("div"), into = element("div");
    box.append(element("h3", {}, titles[place] || ""), into);
    $(id).append(box);
    return embed(item, into);
  });
  await Promise.all(grid("histogram-grid", figures.histograms, []));
  if ($("strip-grid")) await Promise.all(grid("strip-grid", figures.strips, settings.strips));
  dress();
  drawHistograms(state.culture);
  markHistograms(state.culture, state.row);
  if (!figures.histograms.length) $("histograms").hidden = true;
}

async function begin() {
  const figures = JSON.parse($("figures").textContent);
  await Promise.all([embed(figures.map, $("map")), embed(figures.trace, $("trace"))]);
  // A finger that moves over a figure scrolls the page; the tools above the figure zoom.
  if (matchMedia("(pointer: coarse)").matches) {
    for (const name of ["map", "trace"]) model(name).toolbar.active_drag = null;
  }
  dress();
  listen();
  showCulture(0);
  follow();
  document.documentElement.dataset.ready = "map";
  await new Promise((done) => setTimeout(done, 0));
  await embedRest(figures);
  document.documentElement.dataset.ready = "all";
}

begin();
