// Chips of terms and filters, the theme, and the clipboard.

const $ = (id) => document.getElementById(id);
const NAMES = { text: (value) => value, id: (value) => value, vector: () => "an image" };
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
    image.onerror = () => image.replaceWith(worded(name));
    li.append(image);
  } else {
    li.append(worded(name));
  }
  const cross = button("×", remove);
  cross.setAttribute("aria-label", `Remove ${name}`);
  li.append(cross);
  return li;
}

function worded(name) {
  const span = document.createElement("span");
  span.className = "name";
  span.textContent = span.title = name;
  return span;
}

/** Show what narrows the search, as [text, what a click does]. */
export function showPills(pills) {
  if ($("filters").contains(document.activeElement)) $("open-panel").focus();
  $("filters").replaceChildren(
    ...pills.map(([text, remove]) => {
      const li = document.createElement("li");
      const pill = button(text, remove);
      pill.className = "pill";
      pill.title = "Remove this";
      li.append(pill);
      return li;
    }),
  );
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
