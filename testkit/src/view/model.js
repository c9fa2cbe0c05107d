"use strict";
// What the trace says, and how the group looked after each of its events.

const CHECKPOINT = 400;
const FAULTS = new Set(["crash", "pause", "links", "violation"]);

class Model {
  constructor(events) {
    this.events = events;
    this.run = events.find((event) => event.kind === "run") || {};
    this.nodes = [...new Set(events.map((event) => event.node).filter((node) => node !== undefined))].sort((a, b) => a - b);
    this.kinds = [...new Set(events.map((event) => event.kind))];
    this.end = events.length ? Math.max(1, events[events.length - 1].t) : 1;
    this.messages = [];
    this.byId = new Map();
    this.spans = new Map(this.nodes.map((node) => [node, []]));
    this.cuts = [];
    this.checkpoints = [];
    this.follow();
  }

  // Walks through the events once: messages with their ends, spans of roles, checkpoints.
  follow() {
    let state = new Map();
    const open = new Map();
    const close = (node, place) => {
      const span = open.get(node);
      if (span && span.from !== place) { span.to = place; this.spans.get(node).push(span); }
      open.delete(node);
    };
    let cut = null;
    this.events.forEach((event, place) => {
      if (place % CHECKPOINT === 0) this.checkpoints.push(new Map(state));
      state = Model.apply(state, event);
      const { kind, node } = event;
      if (kind === "send") {
        const message = { place, from: node, to: event.to, type: event.type, ends: [] };
        this.byId.set(event.id, message);
        this.messages.push(message);
      } else if (kind === "deliver" || kind === "lost") {
        const message = this.byId.get(event.id);
        if (message) message.ends.push({ place, lost: kind === "lost" });
      } else if (kind === "links") {
        if (cut) { cut.to = place; this.cuts.push(cut); }
        cut = event.cut.length ? { from: place, to: this.events.length - 1, links: event.cut } : null;
      }
      if (kind === "start" || kind === "crash" || kind === "state") {
        const { up, role, term } = state.get(node);
        const known = open.get(node);
        if (known && known.up === up && known.role === role && known.term === term) return;
        close(node, place);
        open.set(node, { from: place, up, role, term });
      }
    });
    if (cut) this.cuts.push(cut);
    const last = Math.max(0, this.events.length - 1);
    for (const [node, span] of open) { span.to = last; this.spans.get(node).push(span); }
  }

  // The nodes after an event; states are never changed in place.
  static apply(state, event) {
    const old = state.get(event.node);
    const blank = { up: false, role: "follower", term: 0, vote: 0, leader: 0, commit: 0, applied: 0, base: { term: 0, index: 0 }, log: [], synced: 0, members: null };
    let change = null;
    switch (event.kind) {
      case "start": change = { up: true, incarnation: event.incarnation, role: "follower", leader: 0 }; break;
      case "crash": change = { up: false }; break;
      case "state": change = { role: event.role, term: event.term, vote: event.vote, leader: event.leader, commit: event.commit }; break;
      case "applied": change = { applied: event.index }; break;
      case "durable": change = { synced: event.last }; break;
      case "members": change = { members: event }; break;
      case "log": {
        const log = old ? old.log : [];
        const kept = log.filter((entry) => entry.index > event.base.index && entry.index <= event.keep);
        change = { base: event.base, log: kept.concat(event.entries) };
        break;
      }
      default: return state;
    }
    const next = new Map(state);
    next.set(event.node, { ...(old || blank), ...change });
    return next;
  }

  // The nodes after the event at `place`.
  at(place) {
    const nearest = Math.floor(place / CHECKPOINT);
    let state = this.checkpoints[nearest] || new Map();
    for (let i = nearest * CHECKPOINT; i <= place && i < this.events.length; i++) state = Model.apply(state, this.events[i]);
    return state;
  }

  // An event in a line.
  text(event) {
    const node = event.node;
    switch (event.kind) {
      case "run": return `run of seed ${event.seed}, ${event.voters} voters`;
      case "start": return `${node} starts` + (event.incarnation > 1 ? `, the ${event.incarnation}. time` : "");
      case "crash": return `${node} crashes`;
      case "pause": return `${node} stands still until ${event.until}`;
      case "links": return event.cut.length ? `links are cut: ${event.cut.map((link) => link.join("→")).join(", ")}` : "all links are mended";
      case "calm": return "the faults stop";
      case "request": return `${node} ${event.text}`;
      case "work": return `${node} ${event.piece}`;
      case "send": return `${node} sends ${event.text}` + (event.copies > 1 ? ` (${event.copies} copies)` : "");
      case "deliver": return `${node} receives ${event.text}`;
      case "lost": return `message ${event.id} from ${node} to ${event.to} is lost: ${event.why}`;
      case "state": return `${node} is ${event.role.replace("_", "-")} in term ${event.term}, leader ${event.leader || "unknown"}, vote ${event.vote || "none"}, commit ${event.commit}`;
      case "log": return `${node} writes: keeps up to ${event.keep}` + (event.entries.length ? `, adds ${event.entries[0].index}..${event.entries[event.entries.length - 1].index}` : "");
      case "durable": return `${node} has synced up to ${event.last}, term ${event.term}, commit ${event.commit}`;
      case "applied": return `${node} has applied ${event.index}`;
      case "members": return `${node} counts voters ${event.voters.join(" ")}` + (event.outgoing.length ? `, and ${event.outgoing.join(" ")}` : "") + (event.learners.length ? `, learners ${event.learners.join(" ")}` : "");
      case "violation": return `VIOLATION ${event.invariant}: ${event.detail}`;
      case "end": return `the end, after ${event.events} events`;
      default: return event.text || event.kind;
    }
  }
}
