// The images that were found. Captions, ids and attributes are text to the page, never markup.

const grid = document.getElementById("grid");
const card = document.getElementById("card");
const NARROWEST = 0.65;
const WIDEST = 2.6;
const SHOWN = 3;
// The service sums up in another order where it answers several at once.
const ROUNDING = 1e-6;
let drawn = [];
let wasScored = false;

/**
 * Show rows; `act(name, row, value)` is told what is done with one of them: "open", "like", "plus",
 * "minus", "pick" or "only". `link(row)` is the address of the page with that one open.
 */
export function show(rows, scored, act, link) {
  const focused = document.activeElement?.closest("#grid li")?.dataset.id;
  const stays = drawn.length && scored === wasScored && drawn.every((row, at) => same(row, rows[at]));
  const fresh = rows.slice(stays ? drawn.length : 0).map((row) => made(row, scored, act));
  if (stays) grid.append(...fresh);
  else grid.replaceChildren(...fresh);
  [...grid.children].forEach((li, at) => (li.querySelector(".image").href = link(rows[at])));
  [drawn, wasScored] = [rows, scored];
  grid.classList.remove("stale");
  const links = grid.querySelectorAll(".image");
  if (links.length && !stays) links[0].tabIndex = 0;
  if (focused && !stays) find(focused)?.focus();
}

/** Whether a row is found as it was: for another query, the same row has another score. */
function same(one, other) {
  return one.id === other?.id && Math.abs(one.similarity - other.similarity) < ROUNDING;
}

export function clear() {
  drawn = [];
  grid.replaceChildren();
}

export function dim() {
  grid.classList.add("stale");
}

export function focus(id) {
  find(id)?.focus();
}

/** Show whether a picture is selected. */
export function mark(id, yes) {
  find(id)?.closest("li").querySelector(".pick").setAttribute("aria-pressed", yes);
}

/** Before the first answer: where pictures will be. */
export function wait() {
  const ratios = [1, 1.5, 0.75, 1.33, 1, 0.8, 1.6, 1.2];
  grid.replaceChildren(
    ...Array.from({ length: 24 }, (_, at) => {
      const li = document.createElement("li");
      li.className = "waiting";
      li.style.setProperty("--ratio", ratios[at % ratios.length]);
      return li;
    }),
  );
}

function find(id) {
  return [...grid.children].find((li) => li.dataset.id === id)?.querySelector(".image");
}

/** The card of a row; see `show`. */
export function made(row, scored, act) {
  const li = card.content.firstElementChild.cloneNode(true);
  const [link, image, none] = [".image", "img", ".none"].map((x) => li.querySelector(x));
  li.dataset.id = row.id;
  const ratio = row.width && row.height ? row.width / row.height : 1;
  li.style.setProperty("--ratio", Math.min(WIDEST, Math.max(NARROWEST, ratio)));
  const name = row.caption || row.id;
  image.alt = name;
  image.src = row.thumbnail;
  image.onerror = () => {
    image.hidden = true;
    none.hidden = false;
  };
  link.tabIndex = -1;
  link.title = `${name}\n${row.uri}\n${row.width} × ${row.height} pixels`;
  link.setAttribute("aria-label", name);
  link.onclick = (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    act("open", row);
  };
  li.querySelector(".more-like").onclick = () => act("like", row);
  li.querySelector(".pick").onclick = () => act("pick", row);
  li.querySelector(".pick").setAttribute("aria-label", `Select ${name}`);
  li.querySelector(".more-plus").onclick = () => act("plus", row);
  li.querySelector(".more-minus").onclick = () => act("minus", row);
  const caption = li.querySelector(".caption");
  caption.textContent = row.caption ?? "";
  caption.title = row.caption ?? "";
  fillFacts(li, row, scored, act);
  return li;
}

function fillFacts(li, row, scored, act) {
  const facts = li.querySelector(".facts");
  const meter = li.querySelector("meter");
  meter.hidden = !scored;
  if (scored) {
    // One deviation above the ordinary rows is next to nothing, six are as good as the same image.
    meter.value = Math.min(1, Math.max(0, (row.z_score - 1) / 5));
    const high = row.z_score.toFixed(1);
    const said = `cosine ${row.similarity.toFixed(3)}, ${high} standard deviations above the collection's average`;
    meter.title = said;
    meter.setAttribute("aria-label", said);
    const score = document.createElement("span");
    score.textContent = row.similarity.toFixed(3);
    facts.append(score);
  }
  const known = Object.entries(row.attributes).filter(([, value]) => value !== null);
  for (const [key, value] of known.slice(0, SHOWN)) {
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = -1;
    button.textContent = brief(key, value);
    button.title = `Only ${key} = ${value}`;
    Object.assign(button.dataset, { key, value });
    button.onclick = () => act("only", row, { key, value });
    if (facts.childNodes.length) facts.append("·");
    facts.append(button);
  }
}

function brief(key, value) {
  if (typeof value === "boolean") return value ? key : `not ${key}`;
  return /^\d{4}-\d\d-\d\dT/.test(value) ? value.slice(0, 10) : value;
}

/** Move the focus to the image that lies in the direction of an arrow key. */
export function walk(key) {
  const links = [...grid.querySelectorAll(".image")];
  const at = links.indexOf(document.activeElement);
  if (at < 0) return links[0]?.focus();
  const to = { ArrowRight: links[at + 1], ArrowLeft: links[at - 1] };
  const next = key in to ? to[key] : nearestRow(links, at, key === "ArrowDown" ? 1 : -1);
  if (!next) return undefined;
  links[at].tabIndex = -1;
  next.tabIndex = 0;
  return next.focus();
}

function nearestRow(links, at, direction) {
  const here = links[at].getBoundingClientRect();
  const middle = (box) => box.left + box.width / 2;
  const beyond = links
    .map((link) => ({ link, box: link.getBoundingClientRect() }))
    .filter(({ box }) => (box.top - here.top) * direction > 8);
  if (!beyond.length) return undefined;
  const tops = beyond.map(({ box }) => box.top * direction);
  const row = beyond.filter(({ box }) => box.top * direction < Math.min(...tops) + 8);
  const gap = ({ box }) => Math.abs(middle(box) - middle(here));
  return row.reduce((a, b) => (gap(b) < gap(a) ? b : a)).link;
}
