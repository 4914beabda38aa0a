// The panel of filters: for each attribute what its type allows, with the values that there are.

import { numberOf, parseFilter, toFilter, worded } from "./query.js";
import { facets } from "./service.js";

const $ = (id) => document.getElementById(id);
const FEW = 12;
const BUILT_IN = { caption: "string", uri: "string", width: "int", height: "int" };
const NAMES = { caption: "Caption", uri: "Path", width: "Width", height: "Height" };
const NO_VALUES = ["caption", "uri"];
const DAY = /^\d{4}-\d\d-\d\d/;
let types = {};
let filters = [];
let change = () => {};
let asked = 0;

/** Let the panel change filters of these attributes; `does` is given all filters that come. */
export function watch(attributes, does) {
  types = { ...attributes, ...BUILT_IN };
  change = does;
  $("open-panel").onclick = () => unfold($("panel").hidden);
  $("close-panel").onclick = close;
}

export function isOpen() {
  return !$("panel").hidden;
}

export function close() {
  unfold(false);
  $("open-panel").focus();
}

function unfold(yes) {
  $("panel").hidden = !yes;
  $("open-panel").setAttribute("aria-expanded", yes);
  if (yes) refresh();
}

/** Show the filters of the query in the panel. */
export function show(current) {
  const changed = !same(current, filters);
  filters = current;
  if (isOpen() && changed) refresh();
}

/** Ask for the values that are left by the filters of all other attributes, and draw them. */
async function refresh() {
  const turn = ++asked;
  const counted = Object.keys(types).filter((key) => !NO_VALUES.includes(key));
  const own = counted.filter((key) => of(key).length);
  const rest = counted.filter((key) => !of(key).length);
  const ask = (keys) => facets(keys, filters.filter((text) => !keys.includes(parseFilter(text)?.key)));
  try {
    const answers = await Promise.all([facets(rest, filters), ...own.map((key) => ask([key]))]);
    if (turn === asked) draw(Object.assign({}, ...answers.map((answer) => answer.attributes)));
  } catch (error) {
    if (turn === asked) $("facets").textContent = error.message;
  }
}

/** The filters of one attribute. */
function of(key) {
  return filters.map((text) => ({ text, ...parseFilter(text) })).filter((filter) => filter.key === key);
}

/** Replace the filters of an attribute that have one of some operators. */
function replace(key, operators, fresh) {
  const gone = of(key).filter(({ operator }) => operators.includes(operator));
  const left = filters.filter((text) => !gone.some((other) => other.text === text));
  change([...left, ...fresh]);
}

function draw(known) {
  const focused = document.activeElement?.dataset.at;
  const groups = Object.entries(types).map(([key, type]) => group(key, type, known[key]));
  $("facets").replaceChildren(...groups);
  if (focused) [...$("facets").querySelectorAll("[data-at]")].find((x) => x.dataset.at === focused)?.focus();
}

function group(key, type, facet) {
  const made = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = NAMES[key] ?? key;
  made.append(legend);
  const numbers = type === "int" || type === "float";
  const days = type === "string" && facet?.distinct && DAY.test(facet.least) && DAY.test(facet.most);
  if (numbers) made.append(range(key, facet, "number", numberOf, ["<="]));
  if (days) made.append(range(key, facet, "date", String, ["<="]));
  const listed = type === "bool" || (facet?.distinct && !days && (!numbers || facet.distinct <= FEW));
  if (listed) made.append(list(key, type, facet));
  if (type === "string" && !days && !(facet && facet.distinct <= FEW)) made.append(within(key));
  return made;
}

/** A field of a range or of a text; `at` finds it again when the panel is drawn anew. */
function field(key, name, type, value, done) {
  const input = document.createElement("input");
  Object.assign(input, { type, value, step: "any" });
  input.setAttribute("aria-label", `${NAMES[key] ?? key}: ${name}`);
  input.dataset.at = `${key} ${name}`;
  input.onchange = () => done(input.value);
  return input;
}

function within(key) {
  const value = of(key).find(({ operator }) => operator === "~")?.value ?? "";
  const done = (text) => replace(key, ["~"], text.trim() ? [toFilter(key, "~", text.trim())] : []);
  const input = field(key, "contains", "search", value, done);
  input.placeholder = "contains …";
  return input;
}

function range(key, facet, type, read) {
  const span = document.createElement("span");
  span.className = `range ${type}`;
  const day = type === "date";
  const value = (...signs) => of(key).find(({ operator }) => signs.includes(operator))?.value ?? "";
  const from = field(key, "from", type, value(">="), (text) =>
    replace(key, [">="], text ? [toFilter(key, ">=", read(text))] : []),
  );
  // a day lasts to the next: what has a time too is less than that
  const last = day ? beside(value("<"), -1) : value("<=");
  const to = field(key, "to", type, last, (text) => {
    const fresh = day ? ["<", beside(text, 1)] : ["<=", read(text)];
    replace(key, [fresh[0]], text ? [toFilter(key, ...fresh)] : []);
  });
  if (facet?.distinct && !day) [from.placeholder, to.placeholder] = [shown(facet.least), shown(facet.most)];
  if (facet?.distinct && day) {
    from.min = to.min = facet.least.slice(0, 10);
    from.max = to.max = facet.most.slice(0, 10);
  }
  span.append(from, "–", to);
  return span;
}

function beside(day, by) {
  if (!DAY.test(day)) return "";
  const date = new Date(`${day.slice(0, 10)}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + by);
  return date.toISOString().slice(0, 10);
}

function shown(value) {
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(4)));
}

function list(key, type, facet) {
  const values = facet?.values ?? [true, false].map((value) => ({ value }));
  const absent = chosen(key).filter((value) => !values.some((other) => same(other.value, value)));
  const all = [...values, ...absent.map((value) => ({ value, count: 0 }))];
  if (type !== "string") all.sort((one, other) => numberOf(one.value) - numberOf(other.value));
  if (type === "bool") all.reverse();
  const ul = document.createElement("ul");
  ul.append(...all.map((one) => choice(key, type, one)));
  return ul;
}

/** The values of an attribute that a row may have, as far as filters list them. */
function chosen(key) {
  return of(key).flatMap(({ operator, value }) => ({ "=": [value], in: value })[operator] ?? []);
}

/** A value in a link is a text, whatever its type. */
function same(one, other) {
  return String(one) === String(other);
}

function choice(key, type, { value, count }) {
  const [li, label, name, number] = ["li", "label", "span", "small"].map((x) => document.createElement(x));
  const input = document.createElement("input");
  input.type = "checkbox";
  input.checked = chosen(key).some((other) => same(other, value));
  input.dataset.at = `${key} is ${value}`;
  input.onchange = () => {
    const others = chosen(key).filter((other) => !same(other, value));
    const wanted = input.checked ? [...others, value] : others;
    const typed = type === "string" ? wanted : wanted.map(numberOf);
    replace(key, ["=", "in"], wanted.length ? [toFilter(key, "in", typed)] : []);
  };
  name.textContent = name.title = type === "bool" ? (same(value, true) ? "yes" : "no") : worded(value);
  number.textContent = count === undefined ? "" : count.toLocaleString("en");
  label.append(input, name, number);
  li.append(label);
  return li;
}
