"use strict";
// The page: choosing, filtering, stepping, and what is shown of the chosen event.

const ROW = 20;
const GROUPS = {
  messages: ["send", "deliver"], lost: ["lost"], states: ["state", "members"], logs: ["log", "durable"], applies: ["applied"],
  faults: ["start", "crash", "pause", "links", "calm", "violation"], requests: ["request"], work: ["work"], other: ["run", "note", "end"],
};
const $ = (id) => document.getElementById(id);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function showError(text) { const box = $("error"); box.hidden = false; box.textContent = text; }
window.addEventListener("error", (event) => showError(event.message));

const model = new Model(JSON.parse($("trace").textContent));
const hidden = new Set(["work", "other"]);
const shown = {
  nodes: new Set(model.nodes),
  kinds: new Set(),
  pattern: "",
  matches(place) { return !this.pattern || texts[place].toLowerCase().includes(this.pattern); },
};
const texts = model.events.map((event) => model.text(event));
const lanes = new Lanes($("lanes"), model, shown);
let current = 0;
let listed = [];
let pending = false;

function chooseKinds() {
  const off = new Set([...hidden].flatMap((group) => GROUPS[group]));
  shown.kinds = new Set(model.kinds.filter((kind) => !off.has(kind)));
}

function concerns(event) {
  if (event.node === undefined) return true;
  return shown.nodes.has(event.node) && (event.to === undefined || shown.nodes.has(event.to));
}

function refilter() {
  chooseKinds();
  listed = [];
  model.events.forEach((event, place) => {
    if (shown.kinds.has(event.kind) && concerns(event) && shown.matches(place)) listed.push(place);
  });
  $("rows").style.height = listed.length * ROW + "px";
  show();
}

// The first listed event at or after the chosen one.
function rank(place) {
  let low = 0, high = listed.length;
  while (low < high) { const middle = (low + high) >> 1; if (listed[middle] < place) low = middle + 1; else high = middle; }
  return low;
}

function step(by) {
  if (!listed.length) return;
  let to = rank(current);
  if (listed[to] !== current && by > 0) to -= 1;
  choose(listed[Math.max(0, Math.min(listed.length - 1, to + by))]);
}

function nextFault(direction) {
  for (let place = current + direction; place >= 0 && place < model.events.length; place += direction) {
    if (FAULTS.has(model.events[place].kind)) return choose(place);
  }
}

function choose(place) {
  current = place;
  lanes.reveal(place);
  const top = rank(place) * ROW, list = $("list");
  if (top < list.scrollTop + ROW || top > list.scrollTop + list.clientHeight - 2 * ROW) list.scrollTop = top - list.clientHeight / 2;
  show();
}

// Draws at most once a frame, however much has changed.
function show() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => { pending = false; lanes.draw(current); showRows(); showDetail(); showLogs(); });
}

function showRows() {
  const list = $("list");
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
  const rows = listed.slice(first, first + Math.ceil((list.clientHeight || 400) / ROW) + 10).map((place, nth) => {
    const event = model.events[place];
    const row = element("div", undefined, "row");
    row.append(element("time", event.t), texts[place]);
    row.style.top = (first + nth) * ROW + "px";
    row.classList.toggle("current", place === current);
    row.classList.toggle("bad", event.kind === "violation" || event.kind === "crash");
    row.dataset.place = place;
    row.title = texts[place];
    return row;
  });
  $("rows").replaceChildren(...rows);
}

function showDetail() {
  const event = model.events[current];
  if (!event) return;
  $("position").textContent = `event ${current + 1} of ${model.events.length}, time ${event.t}` + (listed.length < model.events.length ? ` (${listed.length} listed)` : "");
  $("headline").textContent = texts[current];
  const { t, n, kind, text, ...others } = event;
  const fields = Object.entries({ kind, time: t, "events before": n, ...others });
  $("fields").textContent = fields.map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value, null, 1) : value}`).join("\n");
}

function showLogs() {
  const state = model.at(current), acting = (model.events[current] || {}).node;
  const boxes = model.nodes.filter((node) => shown.nodes.has(node) && state.has(node)).map((node) => {
    const box = logBox(node, state.get(node));
    box.classList.toggle("acting", node === acting);
    return box;
  });
  $("logs").replaceChildren(...boxes);
}

function logBox(node, is) {
  const box = element("div", undefined, "node");
  box.dataset.node = node;
  box.classList.toggle("down", !is.up);
  const head = element("h3", `node ${node}: ` + (is.up ? `${is.role.replace("_", "-")}, term ${is.term}` : "down"));
  head.style.background = is.up ? roleColour(is.term, is.role) : "#e5e7eb";
  const facts = `commit ${is.commit}, applied ${is.applied}, synced ${is.synced}` + (is.members && is.members.outgoing.length ? ", joint" : "");
  const table = element("table");
  // The end of the log is what matters; older entries are in the trace.
  const entries = is.log.slice(-60).reverse();
  table.append(...entries.map((entry) => logRow(entry, is)));
  const more = is.log.length - entries.length;
  if (more > 0) table.append(plainRow(`${more} older entries`));
  if (is.base.index > 0) table.append(plainRow(`begins after ${is.base.index} of term ${is.base.term}`));
  box.append(head, element("p", facts), table);
  return box;
}

function logRow(entry, is) {
  const state = entry.index <= is.applied ? "applied" : entry.index <= is.commit ? "committed" : "";
  const row = element("tr", undefined, state);
  row.classList.toggle("unsynced", entry.index > is.synced);
  const term = element("span", entry.term, "term");
  term.style.background = roleColour(entry.term, "candidate");
  const cell = element("td");
  cell.append(term);
  row.append(element("td", entry.index), cell, element("td", entry.type === "normal" ? entry.text : entry.type === "empty" ? "–" : entry.text));
  row.title = `${entry.index} of term ${entry.term}, ${entry.type}, ${entry.size} bytes${state ? ", " + state : ""}${entry.index > is.synced ? ", not synced" : ""}`;
  return row;
}

function plainRow(text) {
  const row = element("tr", undefined, "base"), cell = element("td", text);
  cell.colSpan = 3;
  row.append(cell);
  return row;
}

function addSwitch(parent, name, on, change) {
  const label = element("label"), box = element("input");
  box.type = "checkbox"; box.checked = on; box.dataset.name = name;
  label.classList.toggle("off", !on);
  box.addEventListener("change", () => { label.classList.toggle("off", !box.checked); change(box.checked); refilter(); });
  label.append(box, name);
  parent.append(label);
}

function showTip(event) {
  const place = lanes.find(event.offsetX, event.offsetY), tip = $("tip");
  tip.hidden = place === undefined;
  if (tip.hidden) return;
  const { t, kind, body } = model.events[place];
  tip.textContent = `${t}: ${texts[place]}` + (kind === "send" ? `\n${JSON.stringify(body)}` : "");
  tip.style.left = Math.min(event.offsetX + 12, $("stage").clientWidth - 320) + "px";
  tip.style.top = event.offsetY + 14 + "px";
}

function listen() {
  const canvas = $("lanes");
  let grabbed = null;
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) lanes.move(event.deltaX || event.deltaY);
    else lanes.zoom(event.deltaY > 0 ? 1.25 : 0.8, event.offsetX);
    show();
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => { grabbed = { x: event.offsetX, moved: false }; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    if (!grabbed) return showTip(event);
    if (Math.abs(event.offsetX - grabbed.x) < 3 && !grabbed.moved) return;
    lanes.move(grabbed.x - event.offsetX);
    grabbed = { x: event.offsetX, moved: true };
    show();
  });
  canvas.addEventListener("pointerup", (event) => {
    const place = grabbed && !grabbed.moved ? lanes.find(event.offsetX, event.offsetY) : undefined;
    grabbed = null;
    if (place !== undefined) choose(place);
  });
  canvas.addEventListener("pointerleave", () => { $("tip").hidden = true; });
  $("list").addEventListener("scroll", show);
  $("rows").addEventListener("click", (event) => { const row = event.target.closest(".row"); if (row) choose(Number(row.dataset.place)); });
  $("search").addEventListener("input", () => { shown.pattern = $("search").value.toLowerCase(); refilter(); });
  $("axis").addEventListener("change", () => { lanes.even = $("axis").checked; lanes.fit(); lanes.reveal(current); show(); });
  window.addEventListener("resize", show);
  const keys = {
    ArrowLeft: (by) => step(-by), ArrowRight: (by) => step(by), Home: () => listed.length && choose(listed[0]),
    End: () => listed.length && choose(listed[listed.length - 1]), n: () => nextFault(1), N: () => nextFault(-1),
    "+": () => { lanes.zoom(0.6); show(); }, "-": () => { lanes.zoom(1.6); show(); }, 0: () => { lanes.fit(); show(); },
    t: () => $("axis").click(), "/": () => $("search").focus(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.target === $("search")) { if (event.key === "Escape") $("search").blur(); return; }
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action(event.shiftKey ? 10 : 1);
  });
  const buttons = { first: "Home", back: "ArrowLeft", forward: "ArrowRight", last: "End", fault: "n", in: "+", out: "-", whole: "0" };
  for (const [id, key] of Object.entries(buttons)) $(id).addEventListener("click", () => keys[key](1));
}

function begin() {
  const { seed, voters, plan } = model.run;
  const verdict = model.events.find((event) => event.kind === "violation");
  const title = $("title");
  title.append(seed === undefined ? "A run" : `Seed ${seed}`, element("small", `${voters || "?"} voters, ${model.events.length} events, a tick takes ${model.run.tick || "?"}, ` + (verdict ? `violation of ${verdict.invariant}` : "no violation")));
  title.title = plan || "";
  document.title = title.textContent;
  for (const node of model.nodes) addSwitch($("nodes"), `node ${node}`, true, (on) => on ? shown.nodes.add(node) : shown.nodes.delete(node));
  for (const group of Object.keys(GROUPS)) {
    if (!GROUPS[group].some((kind) => model.kinds.includes(kind))) continue;
    addSwitch($("kinds"), group, !hidden.has(group), (on) => on ? hidden.delete(group) : hidden.add(group));
  }
  const legend = [["leader", roleColour(3, "leader")], ["candidate", roleColour(3, "candidate")], ["follower", roleColour(3, "follower")],
    ["append", MESSAGE_COLOURS.append], ["vote", MESSAGE_COLOURS.vote], ["snapshot", MESSAGE_COLOURS.snapshot],
    ["commit ▾", "#b45309"], ["apply ●", "#1b873f"], ["members ◆", "#7c3aed"], ["links cut", "rgba(217,119,6,.35)"]];
  for (const [name, colour] of legend) { const box = element("i"); box.style.background = colour; $("legend").append(box, name); }
  listen();
  refilter();
  const start = verdict ? model.events.indexOf(verdict) : listed[0] || 0;
  lanes.draw(start);
  // A whole long run is a blur: begin with as much as can be read.
  if (model.events.length > 400) { const span = Math.max(400, (lanes.extent() * 250) / model.events.length); lanes.to = lanes.from + span; }
  choose(start);
}

begin();
