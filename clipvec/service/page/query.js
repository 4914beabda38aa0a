// The query: what the page shows, what the service is asked, and the link that holds it.

export const STEP = 40;
/** What this page has besides pictures: "map", "compare" (another model's answers), or nothing. */
export const EXTRA = /\/(map|compare)$/.exec(location.pathname)?.[1] ?? "";
const MOST = 1000;
/** Rows among which the service looks for as many as are wanted without near-duplicates. */
export const SIFTED = 4 * MOST;
const OPERATORS = {
  ...{ "=": "$eq", "!=": "$ne", ">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte" },
  ...{ in: "$in", "~": "$contains" },
};

export function empty() {
  return { text: "", terms: [], filters: [], cut: 0, unique: false, k: STEP, open: "" };
}

/** A term is {kind: "text" | "id" | "vector", value, weight, src?}. The value of a vector is {vector, model}. */
export function isEmpty(query) {
  return !query.text.trim() && query.terms.length === 0;
}

/** Whether two queries find the same, whatever of it is shown. */
export function sameSearch(one, other) {
  const search = (query) => toLink({ ...query, k: STEP, open: "" });
  return search(one) === search(other);
}

export function canGrow(query) {
  return query.k < MOST;
}

export function grown(query) {
  return { ...query, k: Math.min(MOST, query.k + STEP) };
}

/** A filter of an attribute: as people type it, or in JSON where that would be read as another. */
export function toFilter(key, operator, value) {
  if (operator === "in" && value.length === 1) return toFilter(key, "=", value[0]);
  const text = String(value);
  const typed = /^[A-Za-z][\w.-]*$/.test(key) && !/^\s|\s$|[\0-\x1f\x7f-\x9f]/.test(text);
  if (typed && operator !== "in") return `${key}${operator}${text}`;
  return JSON.stringify({ [key]: { [OPERATORS[operator]]: value } });
}

/** The {key, operator, value} of a filter; null where it says more than one thing, or nothing. */
export function parseFilter(filter) {
  const [, key, operator, value] = /^\s*([A-Za-z][\w.-]*?)\s*(!=|>=|<=|=|>|<|~)\s*(.*?)\s*$/s.exec(filter) ?? [];
  if (key) return { key, operator, value };
  try {
    const [[name, condition]] = Object.entries(JSON.parse(filter));
    const [[sign, wanted]] = Object.entries(condition);
    const found = Object.keys(OPERATORS).find((x) => OPERATORS[x] === sign);
    const fits = found && (found === "in") === Array.isArray(wanted);
    return fits ? { key: name, operator: found, value: wanted } : null;
  } catch {
    return null;
  }
}

/** A value of an attribute as people read it. */
export function worded(value) {
  return value === "" ? "(empty)" : value;
}

/** A filter as people read it. */
export function readable(filter) {
  const { key, operator, value } = parseFilter(filter) ?? {};
  if (!key) return filter;
  if (operator === "~") return `${key} contains ${value}`;
  return operator === "in" ? `${key}=${value.map(worded).join(" or ")}` : `${key}${operator}${worded(value)}`;
}

/** A number or a boolean from a text. */
export function numberOf(text) {
  return { true: true, false: false }[text] ?? Number(text);
}

/** What POST /search takes; `vectorOf` says what an image is to the model that is asked. */
export function toRequest(query, vectorOf = (value) => value) {
  const terms = query.terms.map(({ kind, value, weight }) => {
    return kind === "vector" ? { ...vectorOf(value), weight } : { [kind]: value, weight };
  });
  if (query.text.trim()) terms.push({ text: query.text, weight: 1 });
  const request = { terms, k: query.k };
  if (query.filters.length) request.where = query.filters;
  if (query.cut > 0) request.min_score = query.cut;
  if (query.unique) request.hide_duplicates = 0.95;
  return request;
}

export function toLink(query) {
  const link = new URLSearchParams();
  if (query.text) link.set("q", query.text);
  for (const { kind, value, weight } of query.terms) {
    link.append("t", `${weight}*${kind}:${kind === "vector" ? pack(value) : value}`);
  }
  for (const filter of query.filters) link.append("where", filter);
  if (query.cut > 0) link.set("from", query.cut);
  if (query.unique) link.set("unique", 1);
  if (query.k > STEP) link.set("k", query.k);
  if (query.open) link.set("open", query.open);
  const text = link.toString();
  return text ? `?${text}` : EXTRA || "./";
}

/** What cannot be read in a link is left out: it may have been cut or typed by anyone. */
export function fromLink(search) {
  const link = new URLSearchParams(search);
  const terms = [];
  for (const text of link.getAll("t")) {
    const [, weight, kind, value] = /^(-?[\d.]+)\*(text|id|vector):(.+)$/s.exec(text) ?? [];
    if (!Number.isFinite(Number(weight)) || !value) continue;
    const read = kind === "vector" ? unpack(value) : value;
    if (read) terms.push({ kind, value: read, weight: Number(weight) });
  }
  const cut = Number(link.get("from"));
  const k = Math.floor(Number(link.get("k")));
  return {
    ...empty(),
    text: link.get("q") ?? "",
    terms,
    filters: link.getAll("where"),
    cut: cut > 0 && cut < 1 ? cut : 0,
    unique: link.has("unique"),
    k: k > STEP ? Math.min(MOST, k) : STEP,
    open: link.get("open") ?? "",
  };
}

// An image that was dropped is in the link as its vector, a byte for each number: the cosine to
// the vector itself stays above 0.999. Before it stands the model: to another one it says nothing.
export function pack({ vector, model }) {
  const most = Math.max(...vector.map(Math.abs)) || 1;
  const bytes = vector.map((x) => Math.round((x / most) * 127) + 128);
  const text = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return `${model}.${text}`;
}

function unpack(text) {
  try {
    const [, model, packed] = /^([0-9a-f]+)\.(.+)$/.exec(text);
    const bytes = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
    return { vector: Array.from(bytes, (char) => (char.charCodeAt(0) - 128) / 127), model };
  } catch {
    return null;
  }
}
