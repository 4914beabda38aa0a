// One picture in full: from its original where the service shows it, else its thumbnail.

import { worded } from "./query.js";
import { original } from "./service.js";

const $ = (id) => document.getElementById(id);
const KEPT = 5;
const SWIPE = 48;
const STANDING = ["hardly above", "a little above", "clearly above", "far above"];
/** Originals by id, as promises of {src} or {fault}; the newest last. */
const originals = new Map();
let shown = null;
let doer = {};

/**
 * Let the dialog tell of what is done in it: `step(by)`, `closed(row)`, `act(name, row, value)`,
 * and `copied(text)`.
 */
export function watch(does) {
  doer = does;
  const viewer = $("viewer");
  viewer.addEventListener("close", () => {
    forget(0);
    const row = shown;
    shown = null;
    if (row) doer.closed(row);
  });
  viewer.onclick = (event) => event.target === viewer && viewer.close();
  viewer.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || (isLarge() && event.target === $("view-stage"))) return;
    event.preventDefault();
    doer.step(by);
  };
  $("view-close").onclick = () => viewer.close();
  $("view-previous").onclick = () => doer.step(-1);
  $("view-next").onclick = () => doer.step(1);
  $("view-size").onclick = () => enlarge(!isLarge());
  $("view-like").onclick = () => leave(() => doer.act("like", shown));
  $("view-plus").onclick = () => leave(() => doer.act("plus", shown));
  $("view-minus").onclick = () => leave(() => doer.act("minus", shown));
  $("view-copy").onclick = () => doer.copied(shown.uri);
  watchSwipes();
}

export function isOpen() {
  return $("viewer").open;
}

export function close() {
  if (isOpen()) $("viewer").close();
}

/**
 * Show a row; `at` is its place, from 0, or -1 where it is not among what is found, `count` says how
 * many there are if that is known, and `beside` are the rows before and behind it.
 */
export function show(row, at, count, beside) {
  const changed = shown?.id !== row.id;
  shown = row;
  describe(row, at, count);
  $("view-previous").disabled = !beside[0];
  $("view-next").disabled = !beside[1];
  if (!isOpen()) {
    $("viewer").showModal();
    $("view-stage").focus();
  }
  if (changed) display(row, beside);
}

/** Say something about what was done here. */
export function say(text) {
  $("view-said").textContent = text;
}

async function display(row, beside) {
  const image = $("view-image");
  enlarge(false);
  $("view-size").hidden = true;
  image.alt = row.caption || nameOf(row.uri);
  image.width = row.width || 1;
  image.height = row.height || 1;
  image.src = row.thumbnail;
  $("view-note").textContent = "";
  say("");
  const { src, fault } = await opened(row);
  if (shown?.id !== row.id) return;
  if (src) image.src = src;
  const { clientWidth, clientHeight } = $("view-stage");
  $("view-size").hidden = !src || (row.width <= clientWidth && row.height <= clientHeight);
  $("view-note").textContent = fault ? `This is the thumbnail: ${fault}` : "";
  for (const other of beside) if (other) opened(other);
  forget(KEPT);
}

function opened(row) {
  const known = originals.get(row.id) ?? load(row);
  originals.delete(row.id);
  originals.set(row.id, known);
  return known;
}

/** An original, as something that can be shown at once. */
async function load(row) {
  try {
    const src = URL.createObjectURL(await original(row.id));
    const probe = new Image();
    probe.src = src;
    try {
      await probe.decode();
      return { src };
    } catch {
      URL.revokeObjectURL(src);
      return { fault: "this browser cannot show the original." };
    }
  } catch (error) {
    originals.delete(row.id); // another try may find it
    return { fault: error.message };
  }
}

function forget(left) {
  while (originals.size > left) {
    const [id, found] = originals.entries().next().value;
    originals.delete(id);
    found.then(({ src }) => src && URL.revokeObjectURL(src));
  }
}

function describe(row, at, count) {
  $("view-title").textContent = row.caption || nameOf(row.uri);
  $("view-place").textContent = at < 0 ? "" : `${at + 1}${count && ` of ${count}`}`;
  $("view-score").hidden = row.similarity === undefined;
  if (row.similarity !== undefined) explain(row);
  const facts = [["Path", row.uri]];
  if (row.width) facts.push(["Size", `${row.width} × ${row.height} pixels`]);
  $("view-facts").replaceChildren(
    ...facts.map(([key, value]) => fact(key, value)),
    ...Object.entries(row.attributes)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => fact(key, value, row)),
  );
}

function fact(key, value, row) {
  const pair = document.createElement("div");
  const [name, said] = [document.createElement("dt"), document.createElement("dd")];
  name.textContent = key;
  if (row) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = typeof value === "boolean" ? (value ? "yes" : "no") : worded(value);
    button.title = `Only ${key} = ${worded(value)}`;
    button.onclick = () => leave(() => doer.act("only", row, { key, value }));
    said.append(button);
  } else {
    said.textContent = value || "–";
  }
  pair.append(name, said);
  return pair;
}

/** What the score means: the cosine itself says little, since each model has its own range. */
function explain(row) {
  const high = row.z_score;
  $("view-meter").value = Math.min(1, Math.max(0, (high - 1) / 5));
  $("view-cosine").textContent = row.similarity.toFixed(3);
  const word = high < 0 ? "below" : STANDING[Math.min(3, Math.floor(high / 1.5))];
  $("view-meaning").textContent =
    "The cosine of the angle between the query and this picture, as the model sees them: 1 is the " +
    `same, 0 has nothing in common. It is ${word} what an average picture here has for this query ` +
    `(${high.toFixed(1)} standard deviations).`;
}

/** The name of a file, or of a member of a tar. */
function nameOf(uri) {
  return /[^/\\#]*$/.exec(uri)[0] || uri;
}

function leave(then) {
  then();
  close();
}

function isLarge() {
  return $("viewer").classList.contains("large");
}

function enlarge(yes) {
  $("viewer").classList.toggle("large", yes);
  $("view-size").setAttribute("aria-pressed", yes);
}

function watchSwipes() {
  const stage = $("view-stage");
  let from = null;
  stage.ontouchstart = ({ touches }) => (from = touches.length === 1 && !isLarge() ? touches[0] : null);
  stage.ontouchend = ({ changedTouches: [to] }) => {
    if (!from) return;
    const [x, y] = [to.clientX - from.clientX, to.clientY - from.clientY];
    from = null;
    if (Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(y)) doer.step(x < 0 ? 1 : -1);
  };
}
