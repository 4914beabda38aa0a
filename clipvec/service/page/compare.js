// Another model's answers to the same query, beside those that the page has.

import * as grid from "./grid.js";
import { EXTRA, isEmpty, toRequest } from "./query.js";
import { embed, search, stats } from "./service.js";

const $ = (id) => document.getElementById(id);
const PLACE = "beside/";
const isCompared = EXTRA === "compare";

/** Show the names of both models, where there are two; `about` is what is served. */
export async function watch(about) {
  $("to-compare").hidden = !about.compared;
  if (!isCompared || !about.compared) return;
  $("to-compare").textContent = "One model";
  $("columns").classList.add("two");
  $("name").hidden = $("beside").hidden = false;
  $("name").textContent = about.model;
  $("beside-name").textContent = (await stats(PLACE)).model;
}

/** Keep the search when somebody goes to the other page. */
export function link(search) {
  $("to-compare").href = `${isCompared ? "./" : "compare"}${search.startsWith("?") ? search : ""}`;
}

/** The vector of an image by the other model, where it is asked. */
export async function vector(file) {
  return $("beside").hidden ? undefined : embed(file, PLACE);
}

/** Ask the other model what `rows` answer, and show what it finds. */
export async function answer(query, rows, act, link, signal) {
  if ($("beside").hidden) return;
  const lacking = query.terms.some((term) => term.kind === "vector" && !term.beside);
  if (isEmpty(query) || lacking) {
    show([], lacking ? "An image in a link is known to one model only: drop it here again." : "");
    return;
  }
  try {
    const found = await search(toRequest(query, "beside"), signal, PLACE);
    if (signal.aborted) return;
    const ids = new Set(rows.map((row) => row.id));
    const shared = found.filter((row) => ids.has(row.id));
    show(found, `● ${shared.length} of ${found.length} are found by both`, act, link);
    mark(new Set(shared.map((row) => row.id)));
  } catch (error) {
    if (!signal.aborted) show([], error.message);
  }
}

/** Mark the pictures that both models find. */
function mark(ids) {
  for (const li of $("columns").querySelectorAll("li")) li.classList.toggle("both", ids.has(li.dataset.id));
}

function show(rows, said, act, link) {
  const cards = rows.map((row) => {
    const li = grid.made({ ...row, thumbnail: PLACE + row.thumbnail }, true, act);
    const image = li.querySelector(".image");
    [image.href, image.tabIndex] = [link(row), 0];
    li.querySelector(".pick").remove(); // what is selected is of the other column
    return li;
  });
  $("beside-grid").replaceChildren(...cards);
  mark(new Set());
  $("beside-said").textContent = said;
}
