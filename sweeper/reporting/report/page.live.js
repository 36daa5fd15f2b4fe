"use strict";
// The page of a sweep that runs: fetched again when the sweep has changed. Only what differs is replaced, so that the
// reader keeps the place, the filter, the order of rows, the selection and whatever is open.

const WAIT_MS = { running: 2000, over: 5000 };
const KEPT = new Set(["open", "hidden", "aria-sort"]); // attributes that the reader sets
const follow = document.getElementById("follow");

function patch(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(document.importNode(fresh, true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value && !KEPT.has(name)) old.setAttribute(name, value);
  const [before, after] = [[...old.childNodes], [...fresh.childNodes]];
  after.forEach((child, i) => (before[i] ? patch(before[i], child) : old.append(document.importNode(child, true))));
  for (const child of before.slice(after.length)) child.remove();
}

function patchTable(old, fresh) {
  const order = old.querySelector("th.chosen")?.getAttribute("aria-sort");
  const by = [...old.querySelectorAll("th:not(.chosen)")].find((head) => head.getAttribute("aria-sort") !== "none");
  const [name, way] = [by?.textContent, by?.getAttribute("aria-sort")];
  for (const cell of old.querySelectorAll(".chosen")) cell.remove();
  patch(old.tHead, fresh.tHead);
  for (const head of old.querySelectorAll("th")) head.setAttribute("aria-sort", head.textContent === name ? way : "none");
  const known = new Map([...old.tBodies[0].rows].map((row) => [row.dataset.key, row]));
  const rows = [...fresh.tBodies[0].rows].map((row) => {
    const there = known.get(row.dataset.key);
    known.delete(row.dataset.key);
    if (there) patch(there, row);
    return there ?? document.importNode(row, true);
  });
  for (const gone of known.values()) gone.remove();
  const body = old.tBodies[0];
  body.append(...rows.filter((row) => !row.isConnected));
  if (old.id === "trials-table") showMetric(order);
  const wanted = sorted(old, rows);
  // Moving a row takes the focus from it: only where the order is another one.
  if (wanted.some((row, i) => body.rows[i] !== row)) {
    const focused = document.activeElement;
    body.append(...wanted);
    if (body.contains(focused)) focused.focus({ preventScroll: true });
  }
}

function update(fresh) {
  data = JSON.parse(fresh.getElementById("data").textContent);
  offerMetrics();
  patch(document.getElementById("states"), fresh.getElementById("states"));
  let before = null;
  for (const section of fresh.querySelectorAll("main > section")) {
    const old = document.getElementById(section.id);
    const table = old?.querySelector("table[data-count]");
    if (!old && before) before.after(document.importNode(section, true));
    else if (!old) document.querySelector("main").prepend(document.importNode(section, true));
    else if (table) patchTable(table, section.querySelector("table[data-count]"));
    else patch(old, section);
    before = document.getElementById(section.id);
  }
  for (const input of filters) filter(input);
  if (dialog.open && Object.hasOwn(data.trials, dialog.dataset.key)) {
    const place = dialog.scrollTop;
    describe(dialog.dataset.key);
    dialog.scrollTop = place;
  }
}

// The first part of the page that is in view, and where on the screen it is.
function inView() {
  const parts = [...document.querySelectorAll("main > section, main > section > *, .plots > figure")];
  const part = parts.findLast((one) => one.getBoundingClientRect().top <= 1);
  return part && { part, top: part.getBoundingClientRect().top };
}

function inPlace(change) {
  const seen = scrollY > 0 ? inView() : null;
  change();
  if (seen?.part.isConnected) scrollBy({ top: seen.part.getBoundingClientRect().top - seen.top, behavior: "instant" });
}

const line = document.getElementById("live-state");
let version = line.dataset.version;
let state = line.dataset.state;

function show(text) {
  if (line.textContent !== text) line.textContent = text;
}

async function look() {
  if (follow.checked && !document.hidden) {
    try {
      const answer = await fetch(`page?seen=${version}`, { cache: "no-store" });
      if (answer.status === 200) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        const now = fresh.getElementById("live-state");
        inPlace(() => update(fresh));
        [version, state] = [now.dataset.version, now.dataset.state];
        show(now.textContent);
      } else if (answer.status !== 204) {
        show(`Not updated: ${await answer.text()}`);
      }
    } catch {
      show("Not updated: the server does not answer. The page shows what it last had.");
    }
  }
  setTimeout(look, WAIT_MS[state]);
}

setTimeout(look, WAIT_MS[state]);
