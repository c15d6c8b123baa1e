// The table of cells: sorted by a click on a head, searched, a page at a time.

const PAGE = 25;
const listed = { columns: [], order: [], page: 0, by: 0, down: false, row: -1 };

/** The columns of a culture's table: name, value to sort by, text, and whether it is a number. */
function columnsOf(shownCulture) {
  const { labels, border, models, remarks, quantities } = shownCulture;
  const columns = [{ name: "cell", sort: (row) => labels[row], text: (row) => String(labels[row]), number: true }];
  for (const each of quantities.filter((one) => one.listed)) {
    columns.push({
      name: each.label,
      key: each.key,
      sort: (row) => each.values[row],
      text: (row) => shown(each.values[row]) + (interval(each, row) ? ` (${interval(each, row)})` : ""),
      number: true,
    });
    if (models[0] && each.key === models[0].coupling) {
      columns.push({ name: "identified?", sort: (row) => models[0].word[row], text: (row) => models[0].word[row] });
    }
  }
  columns.push({ name: "place", sort: (row) => border[row], text: (row) => (border[row] ? "border" : "inner") });
  const said = (row) => (remarks[row] || []).map(([kind, text]) => `${kind}: ${text}`).join("; ");
  columns.push({ name: "remarks", sort: said, text: said, prose: true });
  return columns;
}

function startTable(shownCulture, choose) {
  Object.assign(listed, { columns: columnsOf(shownCulture), page: 0, by: 0, down: false });
  const heads = listed.columns.map((column, place) => element("th", { scope: "col", class: column.number ? "n" : null },
    element("button", { type: "button", onclick: () => {
      // The first click on numbers shows the largest first, as one mostly looks for these.
      listed.down = listed.by === place ? !listed.down : Boolean(column.number) && place > 0;
      listed.by = place;
      listRows(shownCulture, choose);
    } }, column.name)));
  $("rows").tHead.replaceChildren(element("tr", {}, ...heads));
  listRows(shownCulture, choose);
}

/** Sort and search anew, and show the page of the chosen cell, or the first. */
function listRows(shownCulture, choose) {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean), { columns, by, down } = listed;
  const texts = (row) => columns.map((column) => column.text(row)).join(" ").toLowerCase();
  const all = Array.from(shownCulture.labels, (_, row) => row);
  listed.order = all.filter((row) => words.every((word) =>
    /^\d+$/.test(word) ? String(shownCulture.labels[row]).startsWith(word) : texts(row).includes(word)));
  const last = (value) => value === "" || value === undefined || Number.isNaN(value);
  listed.order.sort((a, b) => {
    const [one, other] = [columns[by].sort(a), columns[by].sort(b)];
    if (last(one) || last(other)) return last(one) - last(other) || a - b; // what is not known comes last, always
    return (one < other ? -1 : one > other ? 1 : 0) * (down ? -1 : 1) || a - b;
  });
  $("rows").tHead.querySelectorAll("th").forEach((head, place) => {
    if (place === by) head.setAttribute("aria-sort", down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
    head.firstChild.textContent = columns[place].name + (place === by ? (down ? " ▼" : " ▲") : "");
  });
  listed.page = 0;
  showPage(shownCulture, choose);
}

function showPage(shownCulture, choose) {
  const { columns, order } = listed, pages = Math.max(1, Math.ceil(order.length / PAGE));
  listed.page = Math.max(0, Math.min(pages - 1, listed.page));
  const rows = order.slice(listed.page * PAGE, (listed.page + 1) * PAGE);
  $("rows").tBodies[0].replaceChildren(...rows.map((row) => {
    const cells = columns.map((column, place) => place === 0
      ? element("th", { scope: "row", class: "n" }, element("button", { type: "button", class: "link", onclick: (event) => {
        event.stopPropagation();
        choose(row);
        showMap();
      } }, column.text(row)))
      : element("td", { class: column.number ? "n" : column.prose ? "text" : null }, column.text(row)));
    return element("tr", { "data-row": row, "aria-selected": row === listed.row, onclick: () => choose(row) }, ...cells);
  }));
  $("count").textContent = `${order.length} of ${shownCulture.labels.length} cells`;
  $("page").textContent = `page ${listed.page + 1} of ${pages}`;
  $("page-before").disabled = listed.page === 0;
  $("page-after").disabled = listed.page === pages - 1;
}

/** Mark the chosen cell in the table, on its page. */
function markRow(shownCulture, row, choose) {
  listed.row = row;
  const place = listed.order.indexOf(row);
  if (place >= 0) listed.page = Math.floor(place / PAGE);
  showPage(shownCulture, choose);
}
