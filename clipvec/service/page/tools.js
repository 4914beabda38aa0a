// Chips of terms and filters, the form that makes a filter, and the theme.

import { readable, toFilter } from "./query.js";

const $ = (id) => document.getElementById(id);
const NAMES = { text: (value) => value, id: (value) => value, vector: () => "an image" };
const WORDS = { "=": "is", "!=": "is not", ">=": "from", "<=": "to" };
const THEMES = { system: "◐", light: "☀", dark: "☾" };
const STEP = 0.25;

/** Show the terms; `change` is given the list that comes after a click or a key. */
export function showTerms(terms, change) {
  const chips = terms.map((term, at) => {
    const with_ = (weight) => terms.map((other, i) => (i === at ? { ...other, weight } : other));
    return chip(
      term,
      () => change(with_(-term.weight)),
      () => change(terms.filter((_, i) => i !== at)),
      (step) => {
        const weight = Math.round((term.weight + step) * 100) / 100;
        if (weight) change(with_(weight));
      },
    );
  });
  const at = [...$("terms").children].findIndex((li) => li.contains(document.activeElement));
  $("terms").replaceChildren(...chips);
  if (at >= 0) chips[at]?.querySelector("button").focus();
}

function chip(term, turn, remove, weigh) {
  const li = document.createElement("li");
  li.className = term.weight < 0 ? "term minus" : "term";
  const name = NAMES[term.kind](term.value);
  const size = Math.abs(term.weight);
  const sign = button(`${term.weight < 0 ? "−" : "+"}${size === 1 ? "" : size}`, turn);
  sign.title = "Click to turn plus into minus; arrow keys change the weight";
  sign.setAttribute("aria-label", `${term.weight < 0 ? "minus" : "plus"} ${size} ${name}`);
  sign.onkeydown = (event) => {
    const step = { ArrowUp: STEP, ArrowDown: -STEP }[event.key];
    if (!step) return;
    event.preventDefault();
    weigh(step);
  };
  li.append(sign);
  const src = term.src ?? (term.kind === "id" ? `thumbnail/${encodeURIComponent(term.value)}` : null);
  if (src) {
    const image = document.createElement("img");
    image.src = src;
    image.alt = image.title = name;
    image.onerror = () => image.remove();
    li.append(image);
  } else {
    const span = document.createElement("span");
    span.className = "name";
    span.textContent = span.title = name;
    li.append(span);
  }
  const cross = button("×", remove);
  cross.setAttribute("aria-label", `Remove ${name}`);
  li.append(cross);
  return li;
}

/** Show the filters; `change` is given the list that comes after one is removed. */
export function showFilters(filters, change) {
  $("filters").replaceChildren(
    ...filters.map((filter) => {
      const li = document.createElement("li");
      const pill = button(readable(filter), () => change(filters.filter((other) => other !== filter)));
      pill.className = "pill";
      pill.title = "Remove this filter";
      li.append(pill);
      return li;
    }),
  );
}

/** Let the form make filters of these attributes; `add` is given each. */
export function watchFilters(attributes, add) {
  const types = { ...attributes, caption: "string", width: "int", height: "int" };
  const options = (names) => names.map(([value, text]) => new Option(text, value));
  $("key").replaceChildren(...options(Object.keys(types).map((key) => [key, key])));
  const offer = () => {
    const ordered = ["int", "float"].includes(types[$("key").value]);
    const words = Object.entries(WORDS).filter(([sign]) => ordered || !/[<>]/.test(sign));
    $("operator").replaceChildren(...options(words));
    $("value").type = ordered ? "number" : "text";
    $("value").step = "any";
    const shown = [...document.querySelectorAll(".facts button")].map((x) => x.dataset);
    const seen = shown.filter((x) => x.key === $("key").value).map((x) => x.value);
    const values = new Set(types[$("key").value] === "bool" ? ["true", "false"] : seen);
    $("values").replaceChildren(...[...values].sort().map((value) => new Option(value, value)));
  };
  const open = (yes) => {
    $("filter").hidden = !yes;
    $("add-filter").setAttribute("aria-expanded", yes);
    $("value").value = "";
    offer();
    if (yes) $("key").focus();
  };
  $("key").onchange = offer;
  $("add-filter").onclick = () => open($("filter").hidden);
  $("filter").onsubmit = (event) => {
    event.preventDefault();
    const [key, given] = [$("key").value, $("value").value.trim()];
    const type = types[key];
    const value = ["int", "float"].includes(type) ? Number(given) : given;
    add(toFilter(key, $("operator").value, type === "bool" ? given.toLowerCase() === "true" : value));
    open(false);
  };
  $("filter").onkeydown = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    open(false);
    $("add-filter").focus();
  };
}

/** Light, dark, or the system's; kept for the next visit. */
export function watchTheme() {
  const set = (theme) => {
    document.documentElement.dataset.theme = theme;
    $("theme").textContent = THEMES[theme];
    localStorage.setItem("theme", theme);
  };
  const kept = localStorage.getItem("theme");
  set(kept in THEMES ? kept : "system");
  $("theme").onclick = () => {
    const names = Object.keys(THEMES);
    set(names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length]);
  };
}

function button(text, click) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.onclick = click;
  return made;
}

/** Put a text on the clipboard, and return whether it is there. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyOfOld(text);
  }
}

// Outside of https and this machine, browsers have no navigator.clipboard.
function copyOfOld(text) {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.setAttribute("aria-hidden", "true");
  field.style.cssText = "position: fixed; opacity: 0";
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  before?.focus();
  return done;
}
