// Another model's answers to the same query, beside those that the page has.

import { Grid } from "./grid.js";
import { EXTRA, isEmpty, pack, toRequest } from "./query.js";
import { embed, search, stats } from "./service.js";

const $ = (id) => document.getElementById(id);
export const PLACE = "beside/";
const isCompared = EXTRA === "compare";
const grid = new Grid($("beside-grid"));
/** The vectors of images by this model, by those of the other as a link has them. */
const vectors = new Map();
let running = new AbortController();

/** Show the names of both models, where there are two; `about` is what is served. */
export async function watch(about) {
  $("to-compare").hidden = !about.compared;
  if (!isCompared || !about.compared) return;
  $("to-compare").textContent = "One model";
  $("columns").classList.add("two");
  $("name").hidden = $("beside").hidden = false;
  $("name").textContent = about.model;
  grid.wait();
  const other = await stats(PLACE).catch(() => null);
  const same = other?.collection === about.collection;
  $("beside-name").textContent = other ? `${other.model}${same ? " (the same collection)" : ""}` : "The other model";
}

/** Keep the search when somebody goes to the other page. */
export function link(search) {
  $("to-compare").href = `${isCompared ? "./" : "compare"}${search.startsWith("?") ? search : ""}`;
}

/** Learn what an image is to the other model; `value` is its vector by the one that is served. */
export async function learn(file, value) {
  if ($("beside").hidden) return;
  const found = await embed(file, PLACE).catch(() => null);
  if (found) vectors.set(pack(value), found);
}

/** Another query was asked: what is shown is no answer to it. */
export function wait() {
  running.abort();
  grid.dim();
  $("beside-said").textContent = "";
}

export function clear() {
  running.abort();
  show([], "");
}

/** What is shown. */
export function rows() {
  return grid.rows;
}

export function focus(id) {
  grid.focus(id);
}

export function mark(id, yes) {
  grid.mark(id, yes);
}

/**
 * Ask the other model what `mine` answers, show it, and let both columns mark what both have;
 * return whether it may have more.
 */
export async function answer(query, mine, act, linkTo) {
  running.abort();
  if ($("beside").hidden) return false;
  running = new AbortController();
  const { signal } = running;
  const lacking = query.terms.some(({ kind, value }) => kind === "vector" && !vectors.has(pack(value)));
  if (isEmpty(query) || lacking) {
    show([], lacking ? "The other model has not seen this image: drop it here again." : "");
    mine.share(new Set());
    return false;
  }
  try {
    const found = await search(toRequest(query, (value) => vectors.get(pack(value))), signal, PLACE);
    if (signal.aborted) return false;
    const ids = new Set(found.map((row) => row.id));
    const shared = new Set(mine.rows.map((row) => row.id).filter((id) => ids.has(id)));
    const scale = query.cut > 0 ? "; each model has scores of its own scale" : "";
    const own = found.map((row) => ({ ...row, thumbnail: PLACE + row.thumbnail }));
    show(own, `● ${shared.size} of ${found.length} are found by both${scale}`, act, linkTo);
    for (const list of [mine, grid]) list.share(shared);
    return found.length >= query.k;
  } catch (error) {
    if (signal.aborted) return false;
    show([], error.message);
    mine.share(new Set());
    return false;
  }
}

function show(found, said, act, linkTo) {
  if (found.length) grid.show(found, true, act, linkTo);
  else grid.clear();
  $("beside-said").textContent = said;
}
