// The map: a point for each picture, like ones close together. What is found is lit up.

import { cells, painter } from "./points.js";
import { EXTRA } from "./query.js";
import { mapFind, mapPoints, mapRow } from "./service.js";

const isMap = EXTRA === "map";
const $ = (id) => document.getElementById(id);
const MARGIN = 0.04;
const INSIDE = 1 - 2 * MARGIN;
const DEEPEST = 400;
const REACH = 14;
const STILL = 5;
const PAUSE = 60;
const KEPT = 500;
/** Before another map is fetched: for a moment, workers of the service may have different ones. */
const AGAIN = 1000;
const [REST, SMOOTH] = [150, 25];
const KEYS = {
  ...{ ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0) },
  ...{ ArrowUp: () => move(0, -0.1), ArrowDown: () => move(0, 0.1) },
  ...{ "+": () => scale(1.5), "=": () => scale(1.5), "-": () => scale(1 / 1.5), 0: () => scale(0) },
};
const canvas = $("map-canvas");
const held = new Map();
/** Rows by point, as promises. */
const rows = new Map();
let starting = null;
let reloading = null;
let paint = null;
let points = null;
/** What the service calls the map that these points are of. */
let map = null;
let found = null;
let all = null;
let lit = null;
let [zoom, left, top] = [1, 0, 0];
let aimed = -1;
let asked = 0;
let moved = 0;
let frame = 0;
let resting = 0;
/** Of how many points one is drawn while the map moves, once that was measured. */
let each = 0;
let open = () => {};

/** Show the map if this is its page; `opens(row)` is told which picture was chosen. */
export function watch(opens) {
  if (!isMap) return;
  open = opens;
  $("map").hidden = false;
  $("to-map").textContent = "Without map";
  starting = start();
}

/** Fetch and draw the points, and return whether that was possible. */
async function start() {
  try {
    await load();
    paint = painter(canvas);
    if (!paint) throw new Error("This browser has no WebGL, and draws no map. The pictures are below.");
  } catch (error) {
    starting = null; // the key may be missing, or the map may be made meanwhile
    $("map-frame").hidden = true;
    say(error.message);
    return false;
  }
  $("map-frame").hidden = false;
  all = paint.load(points);
  describe(0);
  listen();
  draw();
  return true;
}

async function load() {
  ({ points, map } = await mapPoints());
  found = cells(points);
  rows.clear();
}

/** Ask for something of this map; when the service has another one by now, show that. */
async function ofThisMap(ask) {
  const mine = map;
  try {
    return await ask(mine);
  } catch (error) {
    if (error.status !== 409) throw error;
    if (mine === map) await (reloading ??= reload());
    throw new Error("The map has changed; this is the new one.");
  }
}

async function reload() {
  await new Promise((done) => setTimeout(done, AGAIN));
  try {
    await load();
    paint.forget(all);
    all = paint.load(points);
    aim(-1);
    describe(0);
    draw();
    if (lit?.ids) light(lit.ids);
  } catch (error) {
    say(error.message);
  } finally {
    reloading = null;
  }
}

/** Lead to the other page with the same search. */
export function link(search) {
  $("to-map").href = `${isMap ? "./" : "map"}${search.startsWith("?") ? search : ""}`;
}

/** Light up the points of some rows. */
export async function light(ids) {
  if (!isMap) return;
  const mine = (lit = { ...lit, ids });
  if (!(await (starting ??= start()))) return;
  const numbers = ids.length ? await ofThisMap((map) => mapFind(ids, map)).catch(() => []) : [];
  if (lit !== mine) return;
  if (lit.points) paint.forget(lit.points);
  const places = Uint16Array.from(numbers.flatMap((number) => [points[2 * number], points[2 * number + 1]]));
  lit = { ids, points: paint.load(places) };
  describe(numbers.length);
  draw();
}

function describe(count) {
  const shown = `${found.live.toLocaleString("en")} pictures, like ones close together.`;
  const bright = count ? ` ${count.toLocaleString("en")} of those found are lit up; all are listed below.` : "";
  say(`${shown}${bright} Scroll or pinch to zoom, drag to move, point at one to see it, click to open it.`);
}

function say(text) {
  $("map-about").textContent = text;
}

/** Draw once more; while it moves, no more points than the browser draws smoothly. */
function draw(still = true) {
  cancelAnimationFrame(frame);
  clearTimeout(resting);
  if (!still && each > 1) resting = setTimeout(draw, REST);
  frame = requestAnimationFrame(() => {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.round(side * ratio));
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const crowd = found.live > 50000;
    const size = Math.min(12, (crowd ? 1.5 : 4) * zoom ** 0.4) * ratio;
    const dim = lit?.points?.count ? 0.45 : 1;
    const alpha = dim * Math.min(0.8, Math.max(0.1, (1e5 * zoom) / found.live));
    const layers = [{ points: all, size, colour: colour("map-all", alpha), each: still ? 1 : each || 1 }];
    if (lit?.points) layers.push({ points: lit.points, size: Math.max(8 * ratio, size), colour: colour("map-lit", 1) });
    const began = performance.now();
    paint.draw(layers, INSIDE * zoom, [(MARGIN - left) * zoom, (MARGIN - top) * zoom]);
    if (!each) {
      paint.finish();
      each = Math.min(63, Math.ceil((performance.now() - began) / SMOOTH));
    }
    mark();
  });
}

/** The colour of an element of the page, as WebGL takes it. */
function colour(id, alpha) {
  const [red, green, blue] = getComputedStyle($(id)).color.match(/[\d.]+/g).map(Number);
  return [red / 255, green / 255, blue / 255, alpha];
}

/** Where a point is on the canvas, in pixels. */
function place(number) {
  const inside = (value) => MARGIN + (value / 65535) * INSIDE;
  return [
    (inside(points[2 * number]) - left) * zoom * canvas.clientWidth,
    (inside(points[2 * number + 1]) - top) * zoom * canvas.clientHeight,
  ];
}

function nearest(x, y, reach) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const plane = (value) => (value - MARGIN) / INSIDE;
  const sides = [width, height].map((length) => reach / (length * zoom * INSIDE));
  return found.nearest(plane(left + x / width / zoom), plane(top + y / height / zoom), sides);
}

function below(event) {
  const box = canvas.getBoundingClientRect();
  return nearest(event.clientX - box.x, event.clientY - box.y, REACH);
}

/** The point in the middle, or nearest to it. */
function middle() {
  const [width, height] = [canvas.clientWidth / 2, canvas.clientHeight / 2];
  for (let reach = REACH; reach < 3 * (width + height); reach *= 3) {
    const number = nearest(width, height, reach);
    if (number >= 0) return number;
  }
  return -1;
}

function row(number) {
  if (!rows.has(number)) {
    const asking = ofThisMap((map) => mapRow(number, map));
    rows.set(number, asking);
    asking.catch(() => rows.delete(number));
    if (rows.size > KEPT) rows.delete(rows.keys().next().value);
  }
  return rows.get(number);
}

/** Show the picture of a point, after a moment in which the pointer does not move on. */
function aim(number) {
  if (number === aimed) return;
  aimed = number;
  $("map-tip").hidden = true;
  mark();
  clearTimeout(asked);
  if (number >= 0) asked = setTimeout(() => show(number), PAUSE);
}

async function show(number) {
  const known = await row(number).catch(() => null);
  if (aimed !== number || !known) return;
  const image = $("map-tip").querySelector("img");
  image.hidden = false;
  image.onerror = () => (image.hidden = true);
  image.src = known.thumbnail;
  $("map-tip").querySelector("span").textContent = known.caption || known.id;
  $("map-tip").hidden = false;
  mark();
}

/** Put the ring around the point that is aimed at, and its picture beside it. */
function mark() {
  $("map-ring").hidden = aimed < 0;
  if (aimed < 0) return;
  const [x, y] = place(aimed);
  $("map-ring").style.transform = `translate(${x}px, ${y}px)`;
  const tip = $("map-tip");
  const aside = x + 16 + tip.offsetWidth > canvas.clientWidth ? x - 16 - tip.offsetWidth : x + 16;
  const down = Math.min(y - tip.offsetHeight / 2, canvas.clientHeight - tip.offsetHeight);
  tip.style.transform = `translate(${Math.max(0, aside)}px, ${Math.max(0, down)}px)`;
}

async function choose(number) {
  if (number < 0) return;
  try {
    open(await row(number));
  } catch (error) {
    say(error.message);
  }
}

/** Zoom by a factor around (x, y), given as shares of the canvas; by 0: back to all. */
function scale(factor, x = 0.5, y = 0.5) {
  const next = Math.min(DEEPEST, Math.max(1, zoom * factor));
  left += x / zoom - x / next;
  top += y / zoom - y / next;
  zoom = next;
  move(0, 0);
}

function move(x, y) {
  const within = (value) => Math.min(1 - 1 / zoom, Math.max(0, value));
  left = within(left + x / zoom);
  top = within(top + y / zoom);
  draw(false);
}

const spread = () => {
  const [a, b] = [...held.values()];
  return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
};

/** One pointer moves the map, two zoom it. */
function drag(event) {
  const before = held.get(event.pointerId);
  if (!before) return aim(below(event));
  const was = held.size === 2 ? spread() : 0;
  held.set(event.pointerId, event);
  moved += Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY);
  if (moved > STILL) aim(-1);
  if (was) return scale(spread() / Math.max(was, 1));
  return move((before.clientX - event.clientX) / canvas.clientWidth, (before.clientY - event.clientY) / canvas.clientHeight);
}

function release(event) {
  const pressed = held.delete(event.pointerId);
  if (!pressed || held.size) return;
  if (event.type === "pointerup" && moved <= STILL) choose(below(event));
  moved = 0;
}

function listen() {
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, event);
  };
  canvas.onpointermove = drag;
  canvas.onpointerup = canvas.onpointercancel = release;
  canvas.onpointerleave = canvas.onblur = () => aim(-1);
  const wheel = (event) => {
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    const at = [(event.clientX - box.x) / box.width, (event.clientY - box.y) / box.height];
    scale(Math.exp(-event.deltaY / 300), ...at);
  };
  canvas.addEventListener("wheel", wheel, { passive: false });
  canvas.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") choose(middle());
    if (!KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
    aim(middle());
  };
  for (const [id, factor] of [["map-in", 1.5], ["map-out", 1 / 1.5], ["map-whole", 0]]) {
    $(id).onclick = () => scale(factor);
  }
  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => {
    [paint, lit] = [painter(canvas), { ids: lit?.ids ?? [] }];
    all = paint.load(points);
    light(lit.ids);
  });
  new ResizeObserver(() => draw()).observe(canvas);
  new MutationObserver(() => draw()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
}
