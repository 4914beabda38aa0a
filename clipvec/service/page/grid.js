// The images that were found. Captions, ids and attributes are text to the page, never markup.

const card = document.getElementById("card");
const NARROWEST = 0.65;
const WIDEST = 2.6;
const SHOWN = 3;
// The service sums up in another order where it answers several at once.
const ROUNDING = 1e-6;

/** A list of pictures. */
export class Grid {
  #list;
  #drawn = [];
  #wasScored = false;

  constructor(list) {
    this.#list = list;
  }

  /**
   * Show rows; `act(name, row, value)` is told what is done with one of them: "open", "like", "plus",
   * "minus", "pick" or "only". `link(row)` is the address of the page with that one open.
   */
  show(rows, scored, act, link) {
    const list = this.#list;
    const focused = list.contains(document.activeElement) && document.activeElement.closest("li")?.dataset.id;
    const drawn = this.#drawn;
    const stays = drawn.length && scored === this.#wasScored && drawn.every((row, at) => same(row, rows[at]));
    const fresh = rows.slice(stays ? drawn.length : 0).map((row) => made(row, scored, act));
    if (stays) list.append(...fresh);
    else list.replaceChildren(...fresh);
    [...list.children].forEach((li, at) => (li.querySelector(".image").href = link(rows[at])));
    [this.#drawn, this.#wasScored] = [rows, scored];
    list.classList.remove("stale");
    const links = list.querySelectorAll(".image");
    if (links.length && !stays) links[0].tabIndex = 0;
    if (focused && !stays) this.#find(focused)?.focus();
  }

  /** What is shown. */
  get rows() {
    return this.#drawn;
  }

  clear() {
    this.#drawn = [];
    this.#list.replaceChildren();
  }

  dim() {
    this.#list.classList.add("stale");
  }

  focus(id) {
    this.#find(id)?.focus();
  }

  /** Show whether a picture is selected. */
  mark(id, yes) {
    this.#find(id)?.closest("li").querySelector(".pick").setAttribute("aria-pressed", yes);
  }

  /** Mark the pictures that another list has too. */
  share(ids) {
    for (const li of this.#list.children) {
      const [link, both] = [li.querySelector(".image"), ids.has(li.dataset.id)];
      li.classList.toggle("both", both);
      link.setAttribute("aria-label", both ? `${link.dataset.name}, found by both` : link.dataset.name);
    }
  }

  /** Before the first answer: where pictures will be. */
  wait() {
    const ratios = [1, 1.5, 0.75, 1.33, 1, 0.8, 1.6, 1.2];
    this.#list.replaceChildren(
      ...Array.from({ length: 24 }, (_, at) => {
        const li = document.createElement("li");
        li.className = "waiting";
        li.style.setProperty("--ratio", ratios[at % ratios.length]);
        return li;
      }),
    );
  }

  #find(id) {
    return [...this.#list.children].find((li) => li.dataset.id === id)?.querySelector(".image");
  }
}

/** Whether a row is found as it was: for another query, the same row has another score. */
function same(one, other) {
  return one.id === other?.id && Math.abs(one.similarity - other.similarity) < ROUNDING;
}

function made(row, scored, act) {
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
  link.dataset.name = name;
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
  // an empty value, such as the folder of a file at the top, keeps its place: none moves up
  const known = Object.entries(row.attributes).filter(([, value]) => value !== null);
  for (const [key, value] of known.slice(0, SHOWN).filter(([, value]) => value !== "")) {
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

/** Move the focus to the picture of a list that lies in the direction of an arrow key. */
export function walk(list, key) {
  const links = [...list.querySelectorAll(".image")];
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
