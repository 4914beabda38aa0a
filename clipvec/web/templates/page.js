"use strict";
// Sorting, tips and copying, for every page. It reads as well without: figures stand as they are,
// and tables have every row.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
document.documentElement.classList.add("scripted");

// Sorting: numbers by their value, texts as a reader counts (PQ8 before PQ64), gaps last.
function key(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  return cell.classList.contains("number") ? null : cell.textContent.trim();
}
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}
for (const header of all(".sortable th[aria-sort]")) {
  header.firstElementChild.addEventListener("click", () => {
    const table = header.closest("table");
    const first = header.dataset.first;
    const other = first === "ascending" ? "descending" : "ascending";
    const order = header.getAttribute("aria-sort") === first ? other : first;
    for (const th of all("th[aria-sort]", table)) th.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows].map((row) => [key(row, header.cellIndex), row]);
    rows.sort(([a], [b]) => (a === null) - (b === null) || sign * compare(a, b));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  });
}

// The tip of the point that is nearest to the pointer.
const tip = document.getElementById("tip");
const reach = 24;
let aimed = null;
function aim(point) {
  aimed?.classList.remove("aimed");
  aimed = point;
  tip.hidden = !point;
  if (!point) return;
  point.classList.add("aimed");
  tip.textContent = point.dataset.tip;
  const { x, y, right } = point.getBoundingClientRect();
  const { width, height } = tip.getBoundingClientRect();
  const left = right + 12 + width < innerWidth ? right + 12 : Math.max(8, x - width - 12);
  tip.style.transform = `translate(${left}px, ${Math.max(8, y - height / 2)}px)`;
}
for (const svg of all(".panel > svg")) {
  const points = all("[data-tip]", svg);
  const nearest = (event) => {
    let best = null;
    let least = reach;
    for (const point of points) {
      const box = point.getBoundingClientRect();
      if (!box.width && !box.height) continue;
      const away = Math.hypot(box.x + box.width / 2 - event.clientX, box.y + box.height / 2 - event.clientY);
      if (away < least) [best, least] = [point, away];
    }
    aim(best);
  };
  svg.addEventListener("pointermove", nearest);
  svg.addEventListener("pointerdown", nearest);
  svg.addEventListener("pointerleave", () => aim(null));
  if (!points.length) continue;
  // By keyboard: arrow keys lead from point to point, which the tip reads out.
  svg.setAttribute("tabindex", "0");
  svg.addEventListener("blur", () => aim(null));
  svg.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const there = points.filter((point) => !point.closest(".off"));
    if (event.key === "Escape") aim(null);
    if (!by || !there.length) return;
    event.preventDefault();
    const at = there.indexOf(aimed);
    aim(there[at < 0 ? 0 : (at + by + there.length) % there.length]);
  });
}
// Focus scrolls a plot into view, and the event comes after the first keys.
const walked = () => document.activeElement.matches(".panel > svg");
addEventListener("scroll", () => aim(walked() ? aimed : null), { passive: true });

for (const text of all("pre")) {
  const [button, frame] = [document.createElement("button"), document.createElement("div")];
  Object.assign(button, { type: "button", className: "copy", textContent: "Copy" });
  frame.className = "code";
  text.replaceWith(frame);
  frame.append(button, text);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}

// Paper cannot be unfolded.
addEventListener("beforeprint", () => all("details").forEach((details) => (details.open = true)));
