"use strict";
// Which figures, curves and rows of a recall report are shown. Without: all of them.
const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`)?.value;

// What the switches and the legend say is shown.
const off = new Set();
function show() {
  const wanted = { k: chosen("k"), mode: chosen("mode") };
  for (const figure of all("figure")) {
    figure.hidden = ["k", "mode"].some((key) => figure.dataset[key] && figure.dataset[key] !== wanted[key]);
  }
  // The front is that of all systems.
  document.documentElement.classList.toggle("some-off", off.size > 0);
  const kind = chosen("kind");
  document.documentElement.classList.toggle("one-kind", kind !== "both");
  for (const row of all("tbody tr[data-curve]")) {
    const { mode, kind: asked, curve } = row.dataset;
    row.hidden = off.has(curve) || (mode && mode !== wanted.mode) || (asked && kind !== "both" && asked !== kind);
  }
  for (const part of all("figure [data-curve]")) part.classList.toggle("off", off.has(part.dataset.curve));
}
document.addEventListener("change", show);

for (const button of all("[data-toggle]")) {
  button.addEventListener("click", () => {
    const curve = button.dataset.toggle;
    if (!off.delete(curve)) off.add(curve);
    button.setAttribute("aria-pressed", String(!off.has(curve)));
    show();
  });
}
show();
