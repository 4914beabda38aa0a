// The pictures that are selected: as a query, as paths, or as a file.

const $ = (id) => document.getElementById(id);
const MOST_TERMS = 16;
const rows = new Map();
let marked = () => {};

/** Let the bar act: `like(rows)`, `copied(text)`; `mark(id, yes)` shows that one is selected. */
export function watch({ like, copied, mark }) {
  marked = mark;
  $("selected-like").onclick = () => {
    const chosen = [...rows.values()];
    clear();
    like(chosen);
  };
  $("selected-copy").onclick = () => copied([...rows.values()].map((row) => row.uri).join("\n"));
  $("selected-save").onclick = save;
  $("selected-none").onclick = clear;
}

export function has(id) {
  return rows.has(id);
}

export function size() {
  return rows.size;
}

export function toggle(row) {
  if (!rows.delete(row.id)) rows.set(row.id, row);
  marked(row.id, rows.has(row.id));
  show();
}

export function clear() {
  const gone = [...rows.keys()];
  rows.clear();
  for (const id of gone) marked(id, false);
  show();
}

function show() {
  $("selection").hidden = !rows.size;
  document.body.classList.toggle("picking", rows.size > 0);
  $("selected-count").textContent = `${rows.size} selected`;
  $("selected-like").disabled = rows.size > MOST_TERMS;
  $("selected-like").title = rows.size > MOST_TERMS ? `Of ${MOST_TERMS} pictures at most` : "";
}

function save() {
  const link = document.createElement("a");
  const blob = new Blob([`${JSON.stringify([...rows.values()], null, 2)}\n`], { type: "application/json" });
  link.href = URL.createObjectURL(blob);
  link.download = "pictures.json";
  link.click();
  URL.revokeObjectURL(link.href);
}
