"use strict";
(() => {
  const LIMIT = 500;
  const data = JSON.parse(document.getElementById("data").textContent);
  const tables = data.tables;
  const flows = data.flows.map(([table, head, actions, packets, cookie, next]) =>
    ({ table, head, text: `${head} actions=${actions}`, packets, cookie, next }));
  const stage = document.getElementById("stage");
  const svg = stage.querySelector("svg");
  const search = document.getElementById("search");
  const heading = document.getElementById("heading");
  const list = document.getElementById("flows");
  const whole = svg.viewBox.baseVal;
  const full = { x: 0, y: 0, width: whole.width, height: whole.height };
  let view = { ...full };
  let chosen = null;
  svg.removeAttribute("width");
  svg.removeAttribute("height");
  svg.querySelector(".paper").remove();

  const show = () => svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  const fit = () => { view = { ...full }; show(); };
  const scale = () => Math.max(view.width / stage.clientWidth, view.height / stage.clientHeight);
  const place = (event) => {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [point.x, point.y];
  };
  const zoom = (factor, [x, y]) => {
    const width = view.width * factor;
    if (width < 120 || width > full.width * 6) return;
    view = { x: x - (x - view.x) * factor, y: y - (y - view.y) * factor, width, height: view.height * factor };
    show();
  };
  const middle = () => [view.x + view.width / 2, view.y + view.height / 2];
  const buttons = { in: () => zoom(0.8, middle()), out: () => zoom(1.25, middle()), all: fit };

  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) / 300), place(event));
  }, { passive: false });

  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button === 0) drag = { x: event.clientX, y: event.clientY, moved: false };
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!drag.moved && Math.hypot(dx, dy) < 4) return;
    if (!drag.moved) stage.setPointerCapture(event.pointerId);
    drag = { x: event.clientX, y: event.clientY, moved: true };
    stage.classList.add("dragging");
    const unit = scale();
    view.x -= dx * unit;
    view.y -= dy * unit;
    show();
  });
  stage.addEventListener("pointerup", (event) => {
    const clicked = drag && !drag.moved;
    drag = null;
    stage.classList.remove("dragging");
    if (clicked) choose(event.target.closest(".table, .edge"));
  });
  stage.addEventListener("pointercancel", () => { drag = null; stage.classList.remove("dragging"); });

  const edges = [...svg.querySelectorAll(".edge")];
  const boxes = [...svg.querySelectorAll(".table")];

  function choose(element) {
    chosen = element === chosen ? null : element;
    svg.classList.toggle("focused", chosen !== null);
    const near = new Set();
    for (const edge of edges) {
      const { from, to } = edge.dataset;
      const isNear = chosen === edge || (chosen?.dataset.table ?? null) === from || chosen?.dataset.table === to;
      edge.classList.toggle("chosen", chosen !== null && isNear);
      if (chosen !== null && isNear) near.add(from).add(to);
    }
    for (const box of boxes) {
      box.classList.toggle("chosen", box === chosen);
      box.classList.toggle("near", near.has(box.dataset.table));
    }
    update();
  }

  /* What the search finds in a text: pairs of start and end; null if it is not there. */
  function finder() {
    const text = search.value.trim();
    search.classList.remove("bad");
    if (text === "") return () => [];
    if (text.length > 2 && text.startsWith("/") && text.endsWith("/")) {
      try {
        const expression = new RegExp(text.slice(1, -1), "i");
        return (line) => { const at = expression.exec(line); return at && [[at.index, at.index + at[0].length]]; };
      } catch {
        search.classList.add("bad");
        return () => null;
      }
    }
    const words = text.toLowerCase().split(/\s+/);
    return (line) => {
      const lower = line.toLowerCase();
      const places = words.map((word) => [lower.indexOf(word), lower.indexOf(word) + word.length]);
      return places.every(([start]) => start >= 0) ? places.sort((a, b) => a[0] - b[0]) : null;
    };
  }

  function inChosen({ table, next }) {
    if (!chosen) return true;
    const { table: only, from, to } = chosen.dataset;
    return only !== undefined ? table === +only : table === +from && next.includes(+to);
  }

  function item({ table, head, text, packets, cookie }, places) {
    const element = document.createElement("li");
    const about = document.createElement("small");
    const seen = packets === null ? "" : ` · ${packets.toLocaleString("en")} packet${packets === 1 ? "" : "s"}`;
    about.textContent = `table ${tables[table]}${seen} · cookie ${cookie}`;
    const actions = document.createElement("i");
    element.append(about);
    element.classList.toggle("idle", packets === 0);
    /* Text from start to stop, what belongs to the actions in an element of its own. */
    const put = (start, stop, wrap) => {
      const part = (to, from, until) => { if (from < until) to.append(wrap(text.slice(from, until))); };
      part(element, start, Math.min(stop, head.length));
      part(actions, Math.max(start, head.length), stop);
    };
    const plain = (part) => part;
    const marked = (part) => { const mark = document.createElement("mark"); mark.textContent = part; return mark; };
    let end = 0;
    for (const [start, stop] of places) {
      if (stop <= end) continue;
      put(end, start, plain);
      put(Math.max(start, end), stop, marked);
      end = stop;
    }
    put(end, text.length, plain);
    element.append(actions);
    return element;
  }

  function update() {
    const find = finder();
    const searching = search.value.trim() !== "";
    const found = new Set();
    const items = [];
    let count = 0;
    for (const flow of flows) {
      const places = find(flow.text);
      if (!places) continue;
      found.add(String(flow.table));
      if (!inChosen(flow)) continue;
      count += 1;
      if (items.length < LIMIT) items.push(item(flow, places));
    }
    for (const box of boxes) box.classList.toggle("found", searching && found.has(box.dataset.table));
    const what = !chosen ? "all tables"
      : chosen.dataset.table !== undefined ? `table ${tables[chosen.dataset.table]}`
      : `${tables[chosen.dataset.from]} → ${tables[chosen.dataset.to]}`;
    const bold = document.createElement("b");
    bold.textContent = what;
    const more = count > items.length ? `, the first ${items.length} of them` : "";
    heading.replaceChildren(bold, `: ${count.toLocaleString("en")} flow${count === 1 ? "" : "s"}${searching ? " found" : ""}${more}`);
    list.replaceChildren(...items);
    list.scrollTop = 0;
  }

  search.addEventListener("input", update);
  document.getElementById("zoom").addEventListener("click", (event) => buttons[event.target.dataset.zoom]?.());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") { search.value = ""; search.blur(); choose(null); return; }
    if (event.target === search) return;
    const keys = { "/": () => search.focus(), "+": buttons.in, "-": buttons.out, 0: fit };
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
  show();
  update();
})();
