"use strict";
// Sorting, filtering, and one trial at a time. Texts of the sweep only ever become text, never markup.

let data = JSON.parse(document.getElementById("data").textContent);

function element(tag, text, parent) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

// Numbers before words, what is not there always last.
function compare(one, other, sign) {
  const [a, b] = [one, other].map((cell) => cell.dataset.sort ?? "");
  const [s, t] = [one.textContent, other.textContent];
  if (s === "" || t === "") return (s === "") - (t === "");
  if (a !== "" && b !== "") return sign * (Number(a) - Number(b));
  if (a !== "" || b !== "") return a !== "" ? -1 : 1;
  return sign * s.localeCompare(t);
}

// The rows in the order that the table is sorted by, if it is.
function sorted(table, rows) {
  const heads = [...table.tHead.rows[0].cells];
  const column = heads.findIndex((head) => head.getAttribute("aria-sort") !== "none");
  if (column < 0) return rows;
  const sign = heads[column].getAttribute("aria-sort") === "ascending" ? 1 : -1;
  return [...rows].sort((a, b) => compare(a.cells[column], b.cells[column], sign));
}

function sort(table, head) {
  const ascending = head.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  table.tBodies[0].append(...sorted(table, [...table.tBodies[0].rows]));
}

const operators = { "=": (a, b) => a === b, "!=": (a, b) => a !== b, "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b };

// Words and conditions: `loss < 0.1`, `beta=0.5`, spaces or not, one after the other, with a comma or `and` between.
function conditions(text) {
  return text.toLowerCase().replace(/\s*(<=|>=|!=|<|>|=)\s*/g, "$1").split(/,?\s+|,$/).filter((word) => word && word !== "and").map((word) => {
    const parts = word.match(/^(.+?)(<=|>=|!=|<|>|=)(.*)$/);
    return parts ? { name: parts[1], holds: operators[parts[2]], value: parts[3] } : { word };
  });
}

// A condition is about a column whose heading or full name begins so; numbers compare as numbers, what is not there never.
function matches(row, wanted, headings) {
  return wanted.every(({ word, name, holds, value }) => {
    if (word !== undefined) return [...row.cells].some((cell) => cell.textContent.toLowerCase().includes(word));
    return [...row.cells].some((cell, i) => {
      const text = cell.textContent.toLowerCase();
      if (text === "" || !headings[i].some((heading) => heading.startsWith(name))) return false;
      if (text === value) return holds(0, 0);
      const numbers = cell.dataset.sort && value !== "" && !Number.isNaN(Number(value));
      return numbers ? holds(Number(cell.dataset.sort), Number(value)) : holds === operators["!="];
    });
  });
}

// Any metric of the trainer as a further column of the trials.
const metric = document.getElementById("metric");

function offerMetrics() {
  const chosen = metric.selectedOptions[0].textContent;
  for (const old of [...metric.options].slice(1)) old.remove();
  data.metrics.forEach((name, i) => (element("option", name, metric).value = String(i)));
  metric.selectedIndex = Math.max(0, [...metric.options].findIndex((option) => option.textContent === chosen));
}

function showMetric(order = "none") {
  const table = document.getElementById("trials-table");
  for (const old of table.querySelectorAll(".chosen")) old.remove();
  if (metric.value === "") return;
  const place = Number(metric.value);
  const cell = element("th", undefined, table.tHead.rows[0]);
  cell.className = "number chosen";
  cell.scope = "col";
  cell.setAttribute("aria-sort", order);
  const button = element("button", data.metrics[place], cell);
  button.type = "button";
  button.title = data.meanings[place];
  for (const row of table.tBodies[0].rows) {
    const value = data.trials[row.querySelector("[data-trial]").dataset.trial].metrics[place];
    const added = element("td", value === null ? "" : typeof value === "number" ? String(Number(value.toPrecision(4))) : value, row);
    added.className = "chosen";
    if (typeof value === "number") added.dataset.sort = String(value);
  }
}

offerMetrics();
metric.addEventListener("change", () => showMetric());

function filter(input) {
  const table = document.getElementById(input.dataset.filters);
  const headings = [...table.tHead.rows[0].cells].map((cell) =>
    [cell.textContent.toLowerCase(), cell.firstElementChild.title.toLowerCase()]);
  const wanted = conditions(input.value);
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    row.hidden = !matches(row, wanted, headings);
    shown += !row.hidden;
  }
  const all = table.tBodies[0].rows.length;
  document.getElementById(table.dataset.count).textContent = shown === all ? `${all} rows` : `${shown} of ${all} rows`;
}

const filters = document.querySelectorAll("input[data-filters]");
for (const input of filters) input.addEventListener("input", () => filter(input));

function pairs(title, entries, parent) {
  if (!entries.length) return;
  element("h3", title, parent);
  const list = element("dl", undefined, parent);
  for (const [name, words, meaning] of entries) {
    element("dt", name, list).title = meaning ?? "";
    element("dd", words, list);
  }
}

function curve(name, points, parent) {
  const finite = points.filter(([, value]) => typeof value === "number");
  if (finite.length < 2) return;
  const [xs, ys] = [0, 1].map((i) => finite.map((point) => point[i]));
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const at = ([x, y]) => `${(100 * (x - left)) / (right - left || 1)} ${high > low ? 38 - (36 * (y - low)) / (high - low) : 20}`;
  const box = element("figure", undefined, parent);
  const short = (value) => String(Number(value.toPrecision(4)));
  const [first, last] = [short(ys[0]), short(ys.at(-1))];
  const words = `${first} at step ${left} to ${last} at step ${right}, between ${short(low)} and ${short(high)}`;
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  drawing.setAttribute("viewBox", "0 0 100 40");
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", `${name} ${words}`);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", `M${finite.map(at).join("L")}`);
  drawing.append(line);
  box.append(drawing);
  element("figcaption", `${name}: ${words}`, box);
}

const dialog = document.getElementById("trial");

function describe(key) {
  const trial = data.trials[key];
  document.getElementById("trial-title").textContent = `${key}: ${trial.state}`;
  const body = document.getElementById("trial-body");
  body.replaceChildren();
  element("p", trial.name, body);
  if (trial.reason) element("pre", trial.reason, body);
  if (trial.again) {
    element("h3", "Run it again, alone", body);
    element("pre", trial.again, body);
  }
  const curves = element("div", undefined, body);
  curves.className = "curves";
  for (const [name, points] of Object.entries(trial.curves)) curve(name, points, curves);
  pairs("Settings", Object.entries(trial.settings), body);
  const known = data.metrics.map((name, i) => [name, trial.metrics[i], data.meanings[i]]);
  pairs("Metrics", known.filter(([, value]) => value !== null), body);
  pairs("Provenance", Object.entries(trial.facts), body);
  if (trial.log) {
    element("h3", "The end of its log", body);
    element("pre", trial.log, body);
  }
  const rest = element("details", undefined, body);
  element("summary", "Settings that all trials share", rest);
  pairs("", Object.entries(data.shared), rest);
}

function open(key) {
  if (!Object.hasOwn(data.trials, key)) return;
  dialog.dataset.key = key;
  describe(key);
  dialog.showModal();
  history.replaceState(null, "", `#trial=${key}`);
}

// Of the document, so that rows which come later need nothing of their own.
document.addEventListener("click", ({ target }) => {
  const opener = target.closest("button[data-trial]");
  if (opener) open(opener.dataset.trial);
  const head = target.closest("table[data-count] th");
  if (head && target.closest("button")) sort(head.closest("table"), head);
});
dialog.addEventListener("close", () => history.replaceState(null, "", "#trials"));
addEventListener("beforeprint", () => document.querySelectorAll("main details").forEach((part) => (part.open = true)));
if (location.hash.startsWith("#trial=")) open(location.hash.slice(7));
