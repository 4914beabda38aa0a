"use strict";
// A projection of images: each is drawn at the position of its vector, larger when zoomed in. Of
// those that would cover each other all but one are dots, until zooming makes room for them.
for (const figure of document.querySelectorAll(".projection")) {
  const canvas = figure.querySelector(".projection-frame > canvas");
  const tip = figure.querySelector(".projection-tip");
  const tiles = figure.querySelector(".projection-tiles");
  const { points, captions, ids, columns, tile } = JSON.parse(figure.querySelector(".projection-data").textContent);
  const context = canvas.getContext("2d");
  const margin = 0.04;
  let zoom = 1;
  let left = 0;
  let top = 0;
  let aimed = -1;

  const size = () => [canvas.clientWidth, canvas.clientHeight];
  const dot = 3;
  // Side of an image in pixels.
  const side = () => Math.min(tile * 1.5, 36 * Math.sqrt(zoom));
  let pictures = new Set();
  const place = ([x, y]) => {
    const [width, height] = size();
    const inside = (v) => margin + v * (1 - 2 * margin);
    return [(inside(x) - left) * zoom * width, (inside(y) - top) * zoom * height];
  };
  const from = (number) => [(number % columns) * tile, Math.floor(number / columns) * tile, tile, tile];

  // Which images have room for their pictures: the first of those that would cover each other.
  function arrange(places, a) {
    pictures = new Set();
    const taken = new Map();
    const near = [-1, 0, 1].flatMap((i) => [-1, 0, 1].map((j) => [i, j]));
    const free = ([x, y]) => near.every(([i, j]) => {
      const other = taken.get(`${Math.floor(x / a) + i} ${Math.floor(y / a) + j}`);
      return !other || Math.max(Math.abs(other[0] - x), Math.abs(other[1] - y)) >= a;
    });
    places.forEach(([x, y], number) => {
      if (!tiles || !free([x, y])) return;
      taken.set(`${Math.floor(x / a)} ${Math.floor(y / a)}`, [x, y]);
      pictures.add(number);
    });
  }

  function paint() {
    const [width, height] = size();
    const ratio = devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    context.scale(ratio, ratio);
    context.clearRect(0, 0, width, height);
    const colour = getComputedStyle(figure).getPropertyValue("--focus");
    const a = side();
    const places = points.map(place);
    arrange(places, a);
    const seen = ([x, y]) => x >= -a && y >= -a && x <= width + a && y <= height + a;
    context.fillStyle = colour;
    places.forEach(([x, y], number) => {
      if (pictures.has(number) || !seen([x, y])) return;
      context.beginPath();
      context.arc(x, y, dot, 0, 7);
      context.fill();
    });
    for (const number of pictures) {
      const [x, y] = places[number];
      if (seen([x, y])) context.drawImage(tiles, ...from(number), x - a / 2, y - a / 2, a, a);
    }
    if (aimed >= 0) {
      const [x, y] = places[aimed];
      const half = pictures.has(aimed) ? a / 2 : 2 * dot;
      context.strokeStyle = colour;
      context.lineWidth = 2;
      context.strokeRect(x - half, y - half, 2 * half, 2 * half);
    }
  }

  function aim(number) {
    if (number === aimed) return;
    aimed = number;
    paint();
    tip.hidden = number < 0;
    if (number < 0) return;
    const [drawing, words] = tip.children;
    drawing.hidden = !tiles;
    if (tiles) {
      const large = drawing.getContext("2d");
      large.clearRect(0, 0, drawing.width, drawing.height);
      large.drawImage(tiles, ...from(number), 0, 0, drawing.width, drawing.height);
    }
    words.textContent = captions[number] || ids[number];
    const [x, y] = place(points[number]);
    const [width, height] = size();
    const beyond = x + side() + tip.offsetWidth > width ? -side() / 2 - 8 - tip.offsetWidth : side() / 2 + 8;
    const down = Math.max(0, Math.min(y - tip.offsetHeight / 2, height - tip.offsetHeight));
    tip.style.transform = `translate(${Math.max(0, x + beyond)}px, ${down}px)`;
  }

  // The picture below a place on the canvas, or else the nearest dot within reach.
  function nearest(px, py, reach = 8) {
    let best = -1;
    let least = Infinity;
    points.forEach((point, number) => {
      const [x, y] = place(point);
      const away = Math.max(Math.abs(x - px), Math.abs(y - py));
      const covered = pictures.has(number) && away <= side() / 2;
      const rank = covered ? away - side() : away;
      if (rank < least && (covered || away <= reach)) [best, least] = [number, rank];
    });
    return best;
  }
  function below(event) {
    const box = canvas.getBoundingClientRect();
    return nearest(event.clientX - box.x, event.clientY - box.y);
  }

  // Zooms by a factor around (x, y), given as fractions of the frame.
  function scale(factor, x = 0.5, y = 0.5) {
    const next = Math.min(40, Math.max(1, zoom * factor));
    left += x / zoom - x / next;
    top += y / zoom - y / next;
    zoom = next;
    move(0, 0);
  }
  function move(x, y) {
    const within = (value) => Math.min(1 - 1 / zoom, Math.max(0, value));
    left = within(left + x / zoom);
    top = within(top + y / zoom);
    aim(-1);
    paint();
  }

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.x) / box.width, (event.clientY - box.y) / box.height];
    scale(Math.exp(-event.deltaY / 300), x, y);
  }, { passive: false });

  // One pointer pans, two zoom it.
  const held = new Map();
  const spread = () => {
    const [a, b] = [...held.values()];
    return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, event);
    canvas.classList.add("dragged");
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) {
      aim(below(event));
      return;
    }
    if (held.size === 2) {
      const was = spread();
      held.set(event.pointerId, event);
      scale(spread() / Math.max(was, 1));
      return;
    }
    held.set(event.pointerId, event);
    const [width, height] = size();
    move((before.clientX - event.clientX) / width, (before.clientY - event.clientY) / height);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      held.delete(event.pointerId);
      if (!held.size) canvas.classList.remove("dragged");
      aim(below(event));
    });
  }
  canvas.addEventListener("pointerleave", () => aim(-1));
  canvas.addEventListener("blur", () => aim(-1));

  const all = () => {
    zoom = 1;
    move(0, 0);
  };
  const keys = {
    ArrowLeft: () => move(-0.1, 0),
    ArrowRight: () => move(0.1, 0),
    ArrowUp: () => move(0, -0.1),
    ArrowDown: () => move(0, 0.1),
    "+": () => scale(1.5),
    "=": () => scale(1.5),
    "-": () => scale(1 / 1.5),
    0: all,
    Enter: () => aim(nearest(...size().map((length) => length / 2), Infinity)),
    Escape: () => aim(-1),
  };
  canvas.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    act();
  });
  const acts = { in: () => scale(1.5), out: () => scale(1 / 1.5), all };
  for (const button of figure.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", acts[button.dataset.zoom]);
  }
  new ResizeObserver(paint).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  tiles?.decode().then(paint);
}
