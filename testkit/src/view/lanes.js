"use strict";
// The picture: a lane per node, messages between them.

const TOP = 34, LEFT = 64, BAR = 20;
const MESSAGE_COLOURS = {
  append: "#2563eb", append_reply: "#7aa2f0", heartbeat: "#94a3b8", heartbeat_reply: "#cbd5e1", vote: "#d97706",
  vote_reply: "#f0b354", pre_vote: "#b08d57", pre_vote_reply: "#d5bd97", snapshot: "#7c3aed", propose: "#0d9488",
};

// One colour a term, more of it the more the role has to say.
function roleColour(term, role) {
  // Red is for what is wrong.
  const hue = 40 + ((term * 109 + 110) % 290);
  const [saturation, light] = { leader: [62, 56], candidate: [75, 74], pre_candidate: [65, 82] }[role] || [35, 90];
  return `hsl(${hue} ${saturation}% ${light}%)`;
}

class Lanes {
  constructor(canvas, model, shown) {
    this.canvas = canvas;
    this.model = model;
    this.shown = shown;
    this.even = false;
    this.hits = [];
    this.fit();
  }

  position(place) { return this.even ? place : this.model.events[place].t; }
  extent() { return this.even ? Math.max(1, this.model.events.length - 1) : this.model.end; }
  x(value) { return LEFT + ((value - this.from) / (this.to - this.from)) * (this.width - LEFT - 12); }
  value(x) { return this.from + ((x - LEFT) / (this.width - LEFT - 12)) * (this.to - this.from); }
  y(node) { return TOP + this.visible.indexOf(node) * this.lane + this.lane / 2; }

  fit() { this.from = 0; this.to = this.extent(); }

  zoom(factor, x) {
    const middle = this.value(x === undefined ? (this.width + LEFT) / 2 : Math.max(LEFT, x));
    const smallest = this.even ? 5 : 20;
    const span = Math.min(this.extent() * 1.02, Math.max(smallest, (this.to - this.from) * factor));
    this.from = middle - ((middle - this.from) / (this.to - this.from)) * span;
    this.to = this.from + span;
    this.clamp();
  }

  move(pixels) {
    const by = (pixels / (this.width - LEFT - 12)) * (this.to - this.from);
    this.from += by; this.to += by;
    this.clamp();
  }

  clamp() {
    const span = this.to - this.from, most = this.extent() * 1.02;
    this.from = Math.max(0, Math.min(this.from, most - span));
    this.to = this.from + span;
  }

  reveal(place) {
    const value = this.position(place), span = this.to - this.from;
    if (value >= this.from + span * 0.04 && value <= this.to - span * 0.04) return;
    this.from = value - span / 2; this.to = this.from + span;
    this.clamp();
  }

  draw(current) {
    this.visible = this.model.nodes.filter((node) => this.shown.nodes.has(node));
    const ratio = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth || 800;
    const count = Math.max(1, this.visible.length);
    this.lane = Math.max(46, Math.min(76, (window.innerHeight * 0.45) / count));
    const height = TOP + count * this.lane + 8;
    this.canvas.style.height = height + "px";
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const ink = this.canvas.getContext("2d");
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.clearRect(0, 0, this.width, height);
    this.hits = [];
    ink.save();
    ink.beginPath(); ink.rect(LEFT - 6, 0, this.width - LEFT + 6, height); ink.clip();
    this.drawCuts(ink, height);
    for (const node of this.visible) this.drawLane(ink, node);
    this.drawMessages(ink, current);
    this.drawMarks(ink, height);
    this.drawCursor(ink, current, height);
    ink.restore();
    this.drawNames(ink);
    this.drawAxis(ink);
  }

  drawNames(ink) {
    ink.fillStyle = "#1d2733"; ink.font = "600 13px system-ui, sans-serif"; ink.textBaseline = "middle";
    for (const node of this.visible) ink.fillText(`node ${node}`, 10, this.y(node));
  }

  drawAxis(ink) {
    const span = this.to - this.from;
    const rough = span / Math.max(2, (this.width - LEFT) / 110);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(1, [1, 2, 5, 10].map((by) => by * power).find((by) => by >= rough));
    ink.fillStyle = "#64748b"; ink.strokeStyle = "#d8dee7"; ink.font = "11px system-ui, sans-serif"; ink.textBaseline = "top";
    ink.lineWidth = 1;
    for (let value = Math.ceil(this.from / step) * step; value <= this.to; value += step) {
      const x = Math.round(this.x(value)) + 0.5;
      if (x < LEFT - 1) continue;
      ink.beginPath(); ink.moveTo(x, 16); ink.lineTo(x, 20); ink.stroke();
      ink.fillText(this.even ? `#${value}` : `${value}`, x + 2, 3);
    }
    ink.fillText(this.even ? "event" : "time", 8, 3);
  }

  drawCuts(ink, height) {
    for (const cut of this.model.cuts) {
      const [left, right] = [this.x(this.position(cut.from)), this.x(this.position(cut.to))];
      if (right < LEFT || left > this.width || !this.shown.kinds.has("links")) continue;
      ink.fillStyle = "rgba(217,119,6,.10)"; ink.fillRect(left, 20, Math.max(1, right - left), height);
      ink.fillStyle = "#b45309"; ink.fillRect(left, 20, Math.max(2, right - left), 4);
    }
  }

  drawLane(ink, node) {
    const y = this.y(node), top = y - BAR / 2;
    ink.font = "11px system-ui, sans-serif"; ink.textBaseline = "middle";
    let drawn = -Infinity;
    for (const span of this.model.spans.get(node)) {
      const left = Math.max(LEFT - 6, this.x(this.position(span.from)));
      const right = Math.min(this.width, this.x(this.position(span.to)));
      if (right < LEFT - 6 || left > this.width) continue;
      const width = Math.max(0.75, right - left);
      // When the whole run is in view, thousands of spans fall on the same pixel.
      if (right - drawn < 0.5 && span.role !== "leader") continue;
      drawn = right;
      if (!span.up) {
        ink.fillStyle = "#e5e7eb"; ink.fillRect(left, y - 1, width, 2);
        continue;
      }
      ink.fillStyle = roleColour(span.term, span.role);
      ink.fillRect(left, top, width, BAR);
      if (span.role === "leader") { ink.fillStyle = "#14202e"; ink.fillRect(left, top - 3, width, 3); }
      const label = width > 90 ? `term ${span.term} ${span.role.replace("_", "-")}` : width > 24 ? `${span.term}` : "";
      if (label) { ink.fillStyle = span.role === "leader" ? "#fff" : "#334155"; ink.fillText(label, left + 5, y + 0.5); }
    }
  }

  drawMessages(ink, current) {
    const { events } = this.model;
    const chosen = events[current] && events[current].id;
    const groups = new Map();
    const arrows = [];
    for (const message of this.model.messages) {
      if (!this.shown.nodes.has(message.from) || !this.shown.nodes.has(message.to)) continue;
      if (!this.shown.kinds.has("send") || !this.shown.matches(message.place)) continue;
      const start = this.position(message.place);
      if (start > this.to) continue;
      const ends = message.ends.length ? message.ends : [{ place: message.place, lost: true }];
      for (const end of ends) {
        if (end.lost && !this.shown.kinds.has("lost")) continue;
        const stop = this.position(end.place);
        if (stop < this.from) continue;
        const up = this.y(message.to) < this.y(message.from) ? -1 : 1;
        const from = [this.x(start), this.y(message.from) + (up * BAR) / 2];
        let to = [this.x(stop), this.y(message.to) - (up * BAR) / 2];
        // What is lost ends on its way.
        if (end.lost) to = [from[0] + Math.max(4, (to[0] - from[0]) * 0.5), from[1] + (to[1] - from[1]) * 0.35];
        const arrow = { from, to, lost: end.lost, place: message.place, end: end.place, chosen: events[message.place].id === chosen };
        const colour = MESSAGE_COLOURS[message.type] || "#be185d";
        if (!groups.has(colour)) groups.set(colour, []);
        groups.get(colour).push(arrow);
        arrows.push(arrow);
      }
    }
    const crowded = arrows.length > 4000;
    ink.lineWidth = 1;
    ink.globalAlpha = crowded ? 0.25 : arrows.length > 600 ? 0.55 : 0.9;
    for (const [colour, group] of groups) {
      ink.strokeStyle = ink.fillStyle = colour;
      for (const lost of [false, true]) {
        ink.setLineDash(lost && !crowded ? [3, 3] : []);
        ink.beginPath();
        for (const arrow of group) if (arrow.lost === lost) { ink.moveTo(...arrow.from); ink.lineTo(...arrow.to); }
        ink.stroke();
      }
      if (arrows.length < 2500) for (const arrow of group) this.drawHead(ink, arrow);
    }
    ink.setLineDash([]);
    ink.globalAlpha = 1;
    for (const arrow of arrows.filter((arrow) => arrow.chosen)) {
      ink.strokeStyle = ink.fillStyle = "#14202e"; ink.lineWidth = 2.5;
      ink.beginPath(); ink.moveTo(...arrow.from); ink.lineTo(...arrow.to); ink.stroke();
      this.drawHead(ink, arrow);
    }
    this.arrows = arrows;
  }

  drawHead(ink, { from, to, lost }) {
    if (lost) {
      ink.fillRect(to[0] - 3, to[1] - 0.75, 6, 1.5); ink.fillRect(to[0] - 0.75, to[1] - 3, 1.5, 6);
      return;
    }
    const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
    ink.beginPath(); ink.moveTo(...to);
    ink.lineTo(to[0] - 7 * Math.cos(angle - 0.4), to[1] - 7 * Math.sin(angle - 0.4));
    ink.lineTo(to[0] - 7 * Math.cos(angle + 0.4), to[1] - 7 * Math.sin(angle + 0.4));
    ink.fill();
  }

  // Commits above the bar, applies below it, faults on it.
  drawMarks(ink, height) {
    const { events } = this.model;
    const commits = new Map(), seen = new Set();
    events.forEach((event, place) => {
      const { kind, node } = event;
      let grown = false;
      if (kind === "state") { grown = event.commit > (commits.get(node) || 0); commits.set(node, event.commit); }
      if (!this.shown.kinds.has(kind)) return;
      const value = this.position(place);
      if (value < this.from || value > this.to) return;
      if (kind === "state" && !grown) return;
      const x = this.x(value);
      const key = `${kind} ${node} ${Math.round(x)}`;
      if (seen.has(key) && !FAULTS.has(kind)) return;
      seen.add(key);
      const shape = Lanes.MARKS[kind];
      if (!shape) return;
      if (node === undefined) { shape(ink, x, 22, height); this.hits.push([x, 26, place]); return; }
      if (!this.shown.nodes.has(node)) return;
      const y = this.y(node);
      shape(ink, x, y, height);
      this.hits.push([x, y + (Lanes.OFFSETS[kind] || 0), place]);
    });
  }

  drawCursor(ink, current, height) {
    const event = this.model.events[current];
    if (!event) return;
    const x = this.x(this.position(current));
    ink.fillStyle = "rgba(37,99,235,.75)"; ink.fillRect(x - 0.75, 16, 1.5, height);
    if (this.shown.nodes.has(event.node)) {
      ink.strokeStyle = "#2563eb"; ink.lineWidth = 2;
      ink.beginPath(); ink.arc(x, this.y(event.node), 7, 0, 7); ink.stroke();
    }
  }

  // The event at a point of the picture; undefined if there is none near.
  find(x, y) {
    let best, distance = 8;
    for (const [hitX, hitY, place] of this.hits) {
      const away = Math.hypot(x - hitX, y - hitY);
      if (away < distance) { distance = away; best = place; }
    }
    if (best !== undefined) return best;
    distance = 5;
    for (const { from, to, place, end } of this.arrows || []) {
      const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
      const along = Math.max(0, Math.min(1, ((x - from[0]) * dx + (y - from[1]) * dy) / (dx * dx + dy * dy || 1)));
      const away = Math.hypot(x - from[0] - along * dx, y - from[1] - along * dy);
      if (away < distance) { distance = away; best = along > 0.7 && end !== undefined ? end : place; }
    }
    return best;
  }
}

Lanes.OFFSETS = { state: -BAR / 2 - 8, applied: BAR / 2 + 6, members: -BAR / 2 - 8, request: BAR / 2 + 13 };
Lanes.MARKS = {
  state(ink, x, y) {
    ink.fillStyle = "#b45309"; y -= BAR / 2 + 4;
    ink.beginPath(); ink.moveTo(x, y); ink.lineTo(x - 3.5, y - 7); ink.lineTo(x + 3.5, y - 7); ink.fill();
  },
  applied(ink, x, y) { ink.fillStyle = "#1b873f"; ink.beginPath(); ink.arc(x, y + BAR / 2 + 6, 2.5, 0, 7); ink.fill(); },
  members(ink, x, y) {
    ink.fillStyle = "#7c3aed"; y -= BAR / 2 + 8;
    ink.beginPath(); ink.moveTo(x, y - 5); ink.lineTo(x + 4, y); ink.lineTo(x, y + 5); ink.lineTo(x - 4, y); ink.fill();
  },
  request(ink, x, y) { ink.fillStyle = "#94a3b8"; ink.fillRect(x - 0.5, y + BAR / 2 + 11, 1, 6); },
  start(ink, x, y) {
    ink.fillStyle = "#1b873f";
    ink.beginPath(); ink.moveTo(x, y - 7); ink.lineTo(x + 8, y); ink.lineTo(x, y + 7); ink.fill();
  },
  crash(ink, x, y) {
    ink.strokeStyle = "#c62828"; ink.lineWidth = 3;
    ink.beginPath(); ink.moveTo(x - 6, y - 6); ink.lineTo(x + 6, y + 6); ink.moveTo(x + 6, y - 6); ink.lineTo(x - 6, y + 6); ink.stroke();
  },
  pause(ink, x, y) { ink.fillStyle = "#c62828"; ink.fillRect(x - 4, y - 7, 3, 14); ink.fillRect(x + 1, y - 7, 3, 14); },
  links(ink, x, y) { ink.fillStyle = "#b45309"; ink.fillRect(x - 1.5, y - 2, 3, 9); },
  note(ink, x, y) { ink.fillStyle = "#64748b"; ink.fillRect(x - 1, y, 2, 6); },
  calm(ink, x, y, height) { ink.fillStyle = "#1b873f"; ink.fillRect(x - 1, 18, 2, height); },
  violation(ink, x, y, height) { ink.fillStyle = "#c62828"; ink.fillRect(x - 2, 16, 4, height); },
};
