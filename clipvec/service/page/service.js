// The service behind the page. Every failure is a Refusal with one sentence.

const NAMES = { text: "the text", where: "a filter", terms: "the query", images: "the image" };

export class Refusal extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The service does not answer. Is it still running?");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new Refusal(response.status, plain(said.error ?? `the service answered ${response.status}`));
}

/** What the service said to a program, to a person: without the field of the request. */
function plain(said) {
  const [, field, reason] = /^([\w.]+)(?: '[^']*')?: (.+)$/s.exec(said) ?? [null, "", said];
  const name = NAMES[field.split(".").findLast((part) => part in NAMES)] ?? "it";
  const line = reason.replace(/^(string|input|list) should/, `${name} should`);
  return `${line[0].toUpperCase()}${line.slice(1)}${/[.?!]$/.test(line) ? "" : "."}`;
}

async function read(path, options) {
  return (await ask(path, options)).json();
}

/** What is served; each `place` that is "beside/" means the collection to compare with. */
export function stats(place = "") {
  return read(`${place}stats`);
}

/** How many rows pass all filters, and the values of attributes among them. */
export function facets(keys, filters, signal) {
  const asked = [...keys.map((key) => ["key", key]), ...filters.map((filter) => ["where", filter])];
  return read(`facets?${new URLSearchParams(asked)}`, { signal });
}

export function item(id, place = "") {
  return read(`${place}item/${encodeURIComponent(id)}`);
}

/** The file of a row, as a Blob. */
export async function original(id) {
  return (await ask(`original/${encodeURIComponent(id)}`)).blob();
}

export function search(request, signal, place = "") {
  return send(`${place}search`, request, signal);
}

function send(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return read(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** The points of the map, two numbers each, in the order of their numbers, and which map it is. */
export async function mapPoints() {
  const response = await ask("map/points");
  return { points: new Uint16Array(await response.arrayBuffer()), map: response.headers.get("Clipvec-Map") };
}

/** The row of a point; 409: the map is another one now. */
export function mapRow(number, map) {
  return read(`map/row/${number}?${new URLSearchParams({ map })}`);
}

/** The points of rows; 409: the map is another one now. */
export async function mapFind(ids, map) {
  return (await send(`map/find?${new URLSearchParams({ map })}`, { ids })).points;
}

/** The {vector, model} of an image file: its vector, and what tells the model from others. */
export async function embed(file, place = "") {
  const form = new FormData();
  form.append("images", file);
  const { vectors, model } = await read(`${place}embed_image`, { method: "POST", body: form });
  return { vector: vectors[0], model };
}

/** Kept in a cookie, since thumbnails are fetched without headers of ours. */
export function keepKey(key) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `clipvec_key=${encodeURIComponent(key)}; SameSite=Strict; path=/${secure}`;
}

export function hasKey() {
  return /(^|; )clipvec_key=./.test(document.cookie);
}
