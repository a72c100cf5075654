"use strict";
const MOST_STOPS = 20;
const BINS = 60;

const read = (root) => JSON.parse(root.querySelector('script[type="application/json"]').textContent);

function made(name, attributes = {}, ...inside) {
  const element = document.createElement(name);
  Object.assign(element, attributes);
  element.append(...inside);
  return element;
}

// ---------------------------------------------------------------- tables that sort

function sortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  headings.forEach((heading, column) => {
    const sort = () => {
      const up = heading.getAttribute("aria-sort") === "descending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => ordered(valueOf(a, column), valueOf(b, column)) * (up ? 1 : -1));
      table.tBodies[0].append(...rows);
    };
    heading.addEventListener("click", sort);
    heading.addEventListener("keydown", (event) => event.key === "Enter" && sort());
  });
}

const ordered = (a, b) =>
  typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });

// ---------------------------------------------------------------- before and after

function comparison(root) {
  const items = read(root);
  const place = root.querySelector(".compare");
  const [left, right] = [root.querySelector(".which-left"), root.querySelector(".which-right")];
  left.value = root.dataset.left;
  right.value = root.dataset.right;
  const redraw = [];
  for (const item of items) {
    const [under, over] = [made("img"), made("img", { className: "over" })];
    const [edge, a, b] = [made("i", { className: "edge" }), made("b", { className: "left" }), made("b", { className: "right" })];
    const pair = made("div", { className: "pair" }, under, over, edge, a, b);
    const slider = made("input", { type: "range", min: 0, max: 100, value: 50, step: 0.1 });
    slider.setAttribute("aria-label", `where ${item.name} is divided`);
    const divide = () => {
      over.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
      edge.style.left = `calc(${slider.value}% - 1px)`;
    };
    const follow = (event) => {
      if (event.buttons !== 1) return;
      const box = pair.getBoundingClientRect();
      slider.value = (100 * (event.clientX - box.left)) / box.width;
      divide();
    };
    pair.addEventListener("pointerdown", follow);
    pair.addEventListener("pointermove", follow);
    pair.addEventListener("dragstart", (event) => event.preventDefault());
    slider.addEventListener("input", divide);
    redraw.push(() => {
      over.src = item.pictures[left.value];
      under.src = item.pictures[right.value];
      for (const picture of [over, under]) picture.classList.toggle("small", item.small);
      [over.alt, under.alt] = [`${item.name}, ${left.value}`, `${item.name}, ${right.value}`];
      [a.textContent, b.textContent] = [left.value, right.value];
    });
    place.append(made("div", {}, pair, slider, made("div", { className: "faint", textContent: item.name })));
    divide();
  }
  const all = () => redraw.forEach((draw) => draw());
  left.addEventListener("change", all);
  right.addEventListener("change", all);
  all();
}

// ---------------------------------------------------------------- scores

function scores(root) {
  const data = read(root);
  const find = (name) => root.querySelector(`.${name}`);
  const low = data.range[0];
  const high = data.range[1];
  const labelled = data.abnormal !== null;
  let threshold = data.threshold;
  const perPage = data.page;
  let page = 0;
  let order = { key: "score", up: false };

  const named = (i) => (data.key === "row" ? `row ${data.names[i]}` : data.names[i]);
  const flagged = (i) => data.scores[i] > threshold;
  const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "none");
  const count = (test) => data.names.reduce((sum, _, i) => sum + (test(i) ? 1 : 0), 0);

  function wordsOf() {
    const found = count(flagged);
    let words = `${found} of ${data.n_scored} flagged as abnormal (${percent(found, data.n_scored)})`;
    if (data.normals.length) {
      const above = data.normals.filter((score) => score > threshold).length;
      words += `; of fresh normals about ${percent(above + 1, data.normals.length + 1)} would be`;
    }
    if (labelled) {
      const bad = data.n_abnormal;
      words += `. Detected: ${count((i) => data.abnormal[i] && flagged(i))} of ${bad}; `;
      words += `false alarms: ${count((i) => !data.abnormal[i] && flagged(i))} of ${data.n_scored - bad}`;
    }
    return words;
  }

  function histogram() {
    const width = (high - low) / BINS;
    const bins = Array.from({ length: BINS }, () => [0, 0]);
    data.scores.forEach((score, i) => {
      const bin = Math.max(0, Math.min(BINS - 1, Math.floor((score - low) / width)));
      bins[bin][labelled && data.abnormal[i] ? 1 : 0] += 1;
    });
    const tallest = Math.max(1, ...bins.map(([a, b]) => a + b));
    const svg = find("histogram").querySelector("svg");
    const shape = (name, attributes) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      svg.append(element);
      return element;
    };
    const step = 600 / BINS;
    bins.forEach(([normal, abnormal], i) => {
      const heights = [(116 * normal) / tallest, (116 * abnormal) / tallest];
      const x = i * step + 0.5;
      shape("rect", { x, y: 120 - heights[0], width: step - 1, height: heights[0], fill: "#7a9cc6" });
      shape("rect", { x, y: 120 - heights[0] - heights[1], width: step - 1, height: heights[1], fill: "#d1495b" });
    });
    const line = shape("rect", { y: 0, width: 1.5, height: 120, fill: "#222", class: "line" });
    return () => line.setAttribute("x", 600 * Math.max(0, Math.min(1, (threshold - low) / (high - low))));
  }

  const kinds = {
    all: () => true,
    flagged,
    passed: (i) => !flagged(i),
    missed: (i) => data.abnormal[i] && !flagged(i),
    false: (i) => !data.abnormal[i] && flagged(i),
  };
  const columns = [
    ["name", "name", named],
    ["score", "score", (i) => data.scores[i]],
    ["p", "p-value", (i) => data.p[i]],
    ...(labelled ? [["label", "label", (i) => (data.abnormal[i] ? "abnormal" : "normal")]] : []),
    ...Object.keys(data.parts).map((part) => [`part ${part}`, part, (i) => data.parts[part][i]]),
  ];

  function chosen() {
    const wanted = find("named").value.toLowerCase();
    const kind = kinds[find("kind").value];
    const value = columns.find(([key]) => key === order.key)[2];
    const rows = data.names.map((_, i) => i).filter((i) => kind(i) && named(i).toLowerCase().includes(wanted));
    return rows.sort((a, b) => ordered(value(a), value(b)) * (order.up ? 1 : -1));
  }

  function card(i) {
    const element = made("div", { className: flagged(i) ? "card flagged" : "card" });
    if (data.thumbnails[i]) {
      const picture = made("div", { className: "picture" });
      picture.append(made("img", { src: data.thumbnails[i], alt: data.names[i], className: data.small ? "small" : "" }));
      if (data.heats[i]) picture.append(made("img", { src: data.heats[i], alt: "", className: "heat" }));
      element.append(picture);
    }
    const score = made("b", { textContent: data.scores[i].toFixed(2) });
    element.append(made("div", { textContent: named(i) }), score, ` p = ${data.p[i].toFixed(4)}`);
    if (labelled) element.append(made("div", { textContent: data.abnormal[i] ? "abnormal" : "normal" }));
    const parts = Object.entries(data.parts).map(([part, values]) => `${part} ${values[i].toFixed(1)}`);
    if (parts.length > 1) element.append(made("div", { className: "parts", textContent: parts.join(", ") }));
    return element;
  }

  function table(rows) {
    const head = made("tr");
    for (const [key, title] of columns) {
      const heading = made("th", { textContent: title, tabIndex: 0 });
      if (key !== "name" && key !== "label") heading.className = "number";
      if (order.key === key) heading.setAttribute("aria-sort", order.up ? "ascending" : "descending");
      const sort = () => {
        order = { key, up: order.key === key ? !order.up : key === "name" || key === "p" };
        page = 0;
        list();
      };
      heading.addEventListener("click", sort);
      heading.addEventListener("keydown", (event) => event.key === "Enter" && sort());
      head.append(heading);
    }
    const body = made("tbody");
    for (const i of rows) {
      const row = made("tr");
      for (const [, , value] of columns) {
        const found = value(i);
        const number = typeof found === "number";
        row.append(made("td", { textContent: number ? found.toFixed(4) : found, className: number ? "number" : "" }));
      }
      if (flagged(i)) row.style.color = "var(--abnormal)";
      body.append(row);
    }
    return made("div", { className: "wide" }, made("table", { className: "sortable" }, made("thead", {}, head), body));
  }

  function list() {
    const rows = chosen();
    const pages = Math.max(1, Math.ceil(rows.length / perPage));
    page = Math.min(page, pages - 1);
    const shown = rows.slice(page * perPage, (page + 1) * perPage);
    const gallery = data.pictures && find("view").value === "gallery";
    find("items").replaceChildren(gallery ? made("div", { className: "cards" }, ...shown.map(card)) : table(shown));
    find("where").textContent = `${rows.length} in all, page ${page + 1} of ${pages}`;
    find("back").disabled = page === 0;
    find("on").disabled = page >= pages - 1;
  }

  // Beyond the histogram, which the highest hundredth would stretch, the slider goes on from score to score.
  const rest = data.scores.filter((score) => score > high).sort((a, b) => a - b);
  const stops = Math.min(rest.length, MOST_STOPS);
  const beyond = Array.from({ length: stops }, (_, k) => rest[Math.ceil(((k + 1) * rest.length) / stops) - 1]);
  find("threshold").max = 1000 + stops;
  const scoreAt = (place) => (place > 1000 ? beyond[place - 1001] : low + (place / 1000) * (high - low));
  const placeOf = (score) =>
    score > high ? 1000 + beyond.filter((stop) => stop <= score).length : (1000 * (score - low)) / (high - low);

  const mark = histogram();
  function moved(to) {
    threshold = to;
    find("count").textContent = wordsOf();
    find("threshold").value = placeOf(to);
    find("exact").value = Number(to.toFixed(4));
    mark();
    list();
  }

  function exported() {
    const quoted = (value) => `"${String(value).replaceAll('"', '""')}"`;
    const lines = [[data.key, "anomaly_score", "p_value"].join(",")];
    const rows = data.names.map((_, i) => i).filter(flagged).sort((a, b) => data.scores[b] - data.scores[a]);
    for (const i of rows) lines.push([quoted(data.names[i]), data.scores[i], data.p[i]].join(","));
    const blob = new Blob([lines.join("\r\n"), "\r\n"], { type: "text/csv" });
    const link = made("a", { href: URL.createObjectURL(blob), download: "flagged.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  find("low").textContent = low.toFixed(2);
  find("high").textContent = `${high.toFixed(2)} and more`;
  find("threshold").addEventListener("input", (event) => moved(scoreAt(Number(event.target.value))));
  find("exact").addEventListener("change", (event) => moved(Number(event.target.value)));
  find("reset").addEventListener("click", () => moved(data.threshold));
  find("export").addEventListener("click", exported);
  const anew = () => {
    page = 0;
    list();
  };
  find("kind").addEventListener("change", anew);
  find("named").addEventListener("input", anew);
  find("back").addEventListener("click", () => (page -= 1, list()));
  find("on").addEventListener("click", () => (page += 1, list()));
  if (data.pictures) {
    find("view").addEventListener("change", anew);
    find("heats").addEventListener("change", (event) => root.classList.toggle("no-heat", !event.target.checked));
  }
  moved(data.threshold);
}

document.querySelectorAll("table.sortable").forEach(sortable);
document.querySelectorAll(".comparison").forEach(comparison);
document.querySelectorAll(".scores").forEach(scores);
