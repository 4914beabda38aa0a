// The page: terms, filters and images of one query, kept in the link.

import * as compare from "./compare.js";
import * as filters from "./filters.js";
import { Grid, walk } from "./grid.js";
import * as images from "./images.js";
import * as map from "./map.js";
import { askKey, notice } from "./notice.js";
import { canGrow, empty, fromLink, grown, isEmpty, readable } from "./query.js";
import { sameSearch, SIFTED, toFilter, toLink, toRequest } from "./query.js";
import * as selection from "./selection.js";
import { embed, facets, item, search, stats } from "./service.js";
import { copy, showPills, showTerms, watchTheme } from "./tools.js";
import * as viewer from "./viewer.js";

const $ = (id) => document.getElementById(id);
const grid = new Grid($("grid"));
const PAUSE = 120;
// Pictures are closer to each other than to any text: at -1 one would drown the words beside it.
const MINUS = -0.5;
const ACTS = { "=": ".more-like", "+": ".more-plus", "-": ".more-minus", x: ".pick" };
let query = fromLink(location.search);
let about = null;
let rows = [];
/** Whether the picture that is open is of the other model's column. */
let isBeside = false;
let total = null;
/** The filters that leave `total` rows. */
let counted = null;
let asking = false;
let running = new AbortController();
/** Of a search that begins when somebody pauses; 0: none waits. */
let timer = 0;

/** Change the query, show it, and search. `step`: whether the back button returns to before. */
function set(changes, step = true) {
  query = { ...query, k: empty().k, open: "", ...changes };
  history[step ? "pushState" : "replaceState"](null, "", toLink(query));
  showQuery();
  run();
}

function showQuery() {
  if ($("text").value !== query.text) $("text").value = query.text;
  $("plus").hidden = $("minus").hidden = !query.text.trim();
  $("copy").hidden = isEmpty(query);
  $("cut").value = query.cut;
  $("cut-value").value = query.cut > 0 ? query.cut.toFixed(2) : "any";
  $("duplicates").checked = query.unique;
  $("text").placeholder = query.terms.length ? "and …" : "Describe an image, or paste one";
  showTerms(query.terms, (terms) => set({ terms }));
  showPills(pills());
  filters.show(query.filters);
  map.link(toLink(query));
  compare.link(toLink(query));
}

/** What narrows the search, and how each of it is taken away. */
function pills() {
  const found = query.filters.map((filter) => [
    readable(filter),
    () => set({ filters: query.filters.filter((other) => other !== filter) }),
  ]);
  if (query.cut > 0) found.push([`score from ${query.cut.toFixed(2)}`, () => set({ cut: 0 })]);
  if (query.unique) found.push(["no near-duplicates", () => set({ unique: false })]);
  return found;
}

/** Search for what is asked: the query, or more of it. */
async function run(asked = query) {
  clearTimeout(timer);
  timer = 0;
  running.abort();
  running = new AbortController();
  const { signal } = running;
  wait(true);
  if (asked.k === query.k) compare.wait();
  try {
    about ??= await known(await stats());
    const scored = !isEmpty(asked);
    const started = performance.now();
    const answer = await search(scored ? toRequest(asked) : wander(asked), signal);
    if (signal.aborted) return;
    wait(false);
    rows = answer;
    if (asked.k > query.k) {
      query = { ...query, k: asked.k };
      history.replaceState(history.state, "", toLink(query));
    }
    if (counted !== asked.filters) total = null;
    showRows(scored, Math.round(performance.now() - started));
    const actBeside = (what, row, value) => act(what, row, value, true);
    compare.answer(asked, grid, actBeside, linkTo).then((more) => {
      for (const row of compare.rows()) if (selection.has(row.id)) compare.mark(row.id, true);
      if (more && canGrow(query)) $("more").hidden = false;
    });
    if (total === null) await count(asked, signal);
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    wait(false);
    if (asked.k > query.k && error.status !== 401) $("status").value = error.message;
    else showProblem(error);
  }
}

function wait(yes) {
  asking = yes;
  document.body.classList.toggle("busy", yes);
}

/** Ask how many rows the filters leave: what is found matters more, and does not wait for it. */
async function count(asked, signal) {
  const left = await facets([], asked.filters, signal).catch(() => ({ rows: null }));
  if (signal.aborted) return;
  const before = said();
  [total, counted] = [left.rows, asked.filters];
  showCount(!isEmpty(asked));
  if ($("status").value === before) $("status").value = said(); // or it says something newer
  if (viewer.isOpen()) showOpen();
}

async function known(found) {
  document.title = `${found.dataset} · clipvec`;
  filters.watch(found.attributes, (chosen) => set({ filters: chosen }));
  filters.show(query.filters);
  await compare.watch(found);
  return found;
}

/** With nothing asked for, a few rows in a random direction. */
function wander(asked) {
  wander.vector ??= Array.from({ length: about.dim }, () => Math.random() - 0.5);
  return { ...toRequest({ ...asked, cut: 0 }), terms: [{ vector: wander.vector }] };
}

function showRows(scored, milliseconds) {
  grid.show(rows, scored, act, linkTo);
  for (const row of rows) if (selection.has(row.id)) grid.mark(row.id, true);
  $("notice").hidden = true;
  $("status").value = scored ? said() : "";
  $("took").textContent = scored ? `${milliseconds} ms` : "";
  $("more").hidden = rows.length < query.k || !canGrow(query);
  $("end").hidden = !rows.length || !$("more").hidden;
  showCount(scored);
  if (!rows.length) showNothing();
  map.light(scored ? rows.map((row) => row.id) : []);
  showOpen();
  growing.disconnect(); // what is near still is told again
  growing.observe($("more"));
}

/** The address of the page with a picture open. */
function linkTo(row) {
  return toLink({ ...query, open: row.id });
}

function showCount(scored) {
  const all = (total ?? about.rows).toLocaleString("en");
  const some = `Some of ${all} images in ${about.dataset}`;
  title(scored ? `Images found in ${about.dataset}` : some, !scored && rows.length > 0);
  const cut = canGrow(query) || rows.length === total;
  $("end").textContent = cut ? "" : `A search shows the first ${rows.length.toLocaleString("en")}.`;
}

function title(text, seen) {
  $("title").textContent = text;
  $("title").classList.toggle("unseen", !seen);
}

/** How many there are: of what a score or near-duplicates leave out, nobody knows the number. */
function said() {
  const shown = rows.length.toLocaleString("en");
  if (isAll()) return rows.length === 1 ? "1 image" : `${shown} images`;
  return whole() ? `${shown} of ${whole()}` : `${shown} or more`;
}

/** Whether what is found is all: for near-duplicates, the service looks no further than so far. */
function isAll() {
  const sifted = query.unique && rows.length && (total ?? about.rows) > SIFTED;
  return rows.length === total || (rows.length < query.k && !sifted);
}

/** How many could be shown, as far as that is known. */
function whole() {
  if (isAll()) return rows.length.toLocaleString("en");
  if (total === null || query.cut > 0) return "";
  return `${query.unique ? "at most " : ""}${total.toLocaleString("en")}`;
}

/** The pictures among which the open one is. */
function column() {
  return isBeside ? compare.rows() : rows;
}

/** Open the picture that the link names, or close what is open. */
async function showOpen() {
  const id = query.open;
  if (!id) return viewer.close();
  const list = column();
  const at = list.findIndex((row) => row.id === id);
  try {
    const row = list[at] ?? (await item(id, isBeside ? compare.PLACE : ""));
    const count = isBeside ? String(list.length) : whole();
    if (query.open === id) viewer.show(row, at, count, [list[at - 1], list[at + 1]]);
  } catch (error) {
    if (query.open !== id) return undefined;
    open("", false);
    if (error.status === 401) return showProblem(error);
    $("status").value = error.message;
  }
  return undefined;
}

function open(id, step) {
  query = { ...query, open: id };
  const opened = step || history.state?.opened;
  history[step ? "pushState" : "replaceState"]({ opened }, "", toLink(query));
  showOpen();
}

function step(by) {
  const list = column();
  const at = list.findIndex((row) => row.id === query.open) + by;
  if (list[at]) open(list[at].id, false);
  if (at >= list.length - 2 && !$("more").hidden) grow();
}

/** After the dialog: back to the search before, or to the page alone if a link led here. */
function closed(row) {
  (isBeside ? compare : grid).focus(row.id);
  if (!query.open) return;
  if (history.state?.opened) history.back();
  else open("", false);
}

function showNothing() {
  if (!about.rows) return notice("The collection is empty", "Index some images first.");
  const buttons = [];
  if (query.cut > 0) buttons.push(["Any score", () => set({ cut: 0 })]);
  if (query.filters.length) buttons.push(["No filters", () => set({ filters: [] })]);
  return notice("No images found", "None match the filters and the minimum score.", ...buttons);
}

/** `again`: what is done once more when the key is known, or somebody has another try. */
function showProblem(error, again = () => run()) {
  grid.clear();
  compare.clear();
  $("more").hidden = $("end").hidden = true;
  title("No images", false);
  $("status").value = $("took").textContent = "";
  if (error.status === 401) return askKey(again);
  const bad = error.status >= 400 && error.status < 500 && error.status !== 429;
  const buttons = [["Try again", again]];
  if (bad && query.filters.length) buttons.push(["No filters", () => set({ filters: [] })]);
  return notice(bad ? "That cannot be searched" : "No answer", error.message, ...buttons);
}

function likeness(row) {
  return { kind: "id", value: row.id, weight: 1, src: row.thumbnail };
}

/** `beside`: it is a picture of the other model's column. */
function act(what, row, value, beside = false) {
  const term = likeness(row);
  if (what === "like") {
    set({ text: "", terms: [term] });
    scrollTo({ top: 0 });
  }
  if (what === "plus") set({ terms: [...query.terms, term] });
  if (what === "minus") set({ terms: [...query.terms, { ...term, weight: MINUS }] });
  if (what === "only") addFilter(toFilter(value.key, "=", value.value));
  if (what === "open") {
    isBeside = beside;
    open(row.id, true);
  }
  if (what === "pick") selection.toggle(row);
}

function addFilter(filter) {
  if (!query.filters.includes(filter)) set({ filters: [...query.filters, filter] });
}

function keepText(weight) {
  const text = query.text.trim();
  if (text) set({ text: "", terms: [...query.terms, { kind: "text", value: text, weight }] });
  $("text").focus();
}

async function addImage(file) {
  document.body.classList.add("busy");
  try {
    const value = await embed(file);
    await compare.learn(file, value);
    const term = { kind: "vector", value, weight: 1 };
    set({ terms: [...query.terms, { ...term, src: URL.createObjectURL(file) }] });
  } catch (error) {
    document.body.classList.remove("busy");
    showProblem(error, () => addImage(file));
  }
}

/** Show more of what is found, unless something is searched for already, or soon. */
function grow() {
  if (!asking && !timer) run(grown(query));
}

// The next pictures are there before anybody sees the end.
const growing = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && grow(), {
  rootMargin: "1000px",
});

$("bar").onsubmit = (event) => {
  event.preventDefault();
  keepText(1);
};
$("text").oninput = () => {
  clearTimeout(timer);
  query = { ...query, text: $("text").value };
  timer = setTimeout(() => set({}, false), PAUSE);
  if (!isEmpty(query)) grid.dim();
  compare.wait();
};
$("text").onkeydown = (event) => {
  if (meantForOthers(event)) return;
  if (event.key === "Backspace" && !query.text && query.terms.length) set({ terms: query.terms.slice(0, -1) });
  if (event.key === "ArrowDown") {
    event.preventDefault();
    walk($("grid"), event.key);
  }
};
$("plus").onclick = () => keepText(1);
$("minus").onclick = () => keepText(-1);
$("cut").oninput = () => {
  clearTimeout(timer);
  $("cut-value").value = Number($("cut").value) > 0 ? Number($("cut").value).toFixed(2) : "any";
  timer = setTimeout(() => set({ cut: Number($("cut").value) }, false), PAUSE);
};
$("duplicates").onchange = () => set({ unique: $("duplicates").checked });
$("more").onclick = grow;
$("copy").onclick = async () => {
  const copied = await copy(location.href);
  $("status").value = copied ? "Link copied" : "Copy the link from the address bar";
};
window.onpopstate = () => {
  const before = query;
  query = fromLink(location.search);
  if (!sameSearch(before, query)) {
    showQuery();
    run();
    return;
  }
  query = { ...before, open: query.open, k: Math.max(query.k, before.k) };
  showOpen();
};

/** Whether a key is one of the browser's shortcuts, or part of a word in Chinese or Japanese. */
function meantForOthers(event) {
  return event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
}

window.onkeydown = (event) => {
  if (meantForOthers(event) || viewer.isOpen()) return;
  const typing = event.target.closest?.("input, select");
  if (event.key === "Escape" && filters.isOpen()) {
    filters.close();
  } else if (event.key === "Escape" && selection.size()) {
    selection.clear();
  } else if (event.key === "Escape") {
    wander.vector = undefined;
    set(empty());
    $("text").focus();
  } else if (event.key === "/" && !typing) {
    event.preventDefault();
    $("text").focus();
  } else if (event.key.startsWith("Arrow") && event.target.matches?.(".image")) {
    event.preventDefault();
    walk(event.target.closest(".grid"), event.key);
  } else if (event.key in ACTS && event.target.matches?.(".image")) {
    event.target.closest("li").querySelector(ACTS[event.key]).click();
  }
};

watchTheme();
grid.wait();
selection.watch({
  like: (chosen) => set({ text: "", terms: chosen.map(likeness) }),
  copied: async (paths) => {
    $("selected-count").textContent = (await copy(paths)) ? "Paths copied" : "The browser copies nothing";
  },
  mark: (id, yes) => {
    for (const list of [grid, compare]) list.mark(id, yes);
  },
});
images.watch(addImage);
map.watch((row) => act("open", row));
const copied = async (path) => viewer.say((await copy(path)) ? "Copied" : "Select and copy it below");
viewer.watch({ step, closed, act, copied });
showQuery();
run();
