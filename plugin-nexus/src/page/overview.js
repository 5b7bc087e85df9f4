// How the sync does at a glance: health and its reason, the way to Nexus, what is paused, the checks one by one, and the last 15 minutes.

import { post } from "./api.js";
import { act } from "./actions.js";
import { Chart } from "./chart.js";
import { ask } from "./dialog.js";
import { byId, el, list, mark, say, show, time } from "./dom.js";
import { ago, clock, count, counted, duration, rate, words } from "./format.js";
import { announce } from "./notices.js";
import * as series from "./series.js";

const SIGNS = { healthy: "\u2713", degraded: "!", unhealthy: "\u2715" };
const MINUTES = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400];

let charts = null;
let before = null;
let paused = false;

/** Begins. */
export function begin() {
  charts = [
    [series.depth, new Chart(byId("chart-depth"), {
      title: "Documents waiting", kind: "depth", least: 3,
      format: count, tick: compact,
    })],
    [series.lag, new Chart(byId("chart-lag"), {
      title: "Oldest waiting document", kind: "lag", least: 3, steps: MINUTES,
      format: duration, tick: duration,
    })],
    [series.synced, new Chart(byId("chart-synced"), {
      title: "Documents written a second", kind: "synced", least: 3,
      format: (value) => `${rate(value)} /s`, tick: compact,
    })],
  ];
  byId("pause").addEventListener("click", () => (paused ? resume() : pause()));
}

const compact = (value) => (value < 10000 ? rate(value) : `${rate(value / 1000)}k`);

async function pause() {
  const wanted = await ask({
    title: "Pause the sync?",
    text: "Nothing is written to Nexus until it is resumed, also over restarts. Changes are journaled, and none is lost.",
    action: "Pause",
    fields: [{ name: "reason", label: "Reason", kind: "text", hint: "For those who look at the status." }],
  });
  if (wanted === null) return;
  act(() => post("pause", wanted.reason.trim() === "" ? {} : { reason: wanted.reason.trim() }));
}

function resume() {
  act(() => post("resume", {}));
}

/** Shows a status. */
export function showStatus(status) {
  series.add(status);
  drawCharts();
  paused = status.paused !== null;
  say(byId("pause"), paused ? "Resume" : "Pause");
  mark(byId("pause"), "class", paused ? "primary" : null);
  show(byId("pause"), status.enabled);
  show(byId("paused"), paused);
  if (paused) {
    const { by, since, reason } = status.paused;
    const who = by ? ` by ${by}` : "";
    say(byId("paused"), `Paused${who} since ${clock(since)} (${ago(since)})${reason ? `: ${reason}` : ""}. Changes are journaled; nothing is written to Nexus.`);
  }
  facts(status);
}

/** Draws the last 15 minutes. */
export function drawCharts() {
  for (const [points, chart] of charts) chart.draw(points());
}

function facts(status) {
  const { nexus, collections } = status;
  const { breaker, pace } = nexus;
  const waits = breaker.tried_again_at ? `, tried again in ${duration(Math.max(0, Math.ceil((Date.parse(breaker.tried_again_at) - Date.now()) / 1000)))}` : "";
  const limits = [
    pace.statements_per_second === null ? null : `${rate(pace.statements_per_second)} statements/s`,
    pace.documents_per_second === null ? null : `${rate(pace.documents_per_second)} documents/s`,
    pace.paused_until === null ? null : `nothing until ${clock(pace.paused_until)}`,
  ].filter((limit) => limit !== null);
  const good = { closed: "good", half_open: "warn", open: "bad" };
  const states = { ready: "good", connecting: "warn", degraded: "warn", down: "bad" };
  const of = (number, noun) => (number > 0 ? `${count(number)} ${noun}` : null);
  const parts = [of(status.queue_depth_edges, "for edges"), of(status.waiting_for_retry, "for another attempt")];
  const rows = [
    ["Nexus", nexus.state, nexus.version ?? nexus.url, states[nexus.state]],
    ["Breaker", `${words(breaker.state)}${waits}`, breaker.state === "closed" ? null : breaker.reason, good[breaker.state]],
    ["Waiting", count(status.queue_depth), parts.filter((text) => text !== null).join(", "), null],
    ["At work", count(status.in_progress), counted(status.worker_threads, "lane"), null],
    ["Written", count(status.total_synced), `${count(status.total_deleted)} deleted`, null],
    ["Errors", count(status.total_errors), "failed attempts", null],
    ["Dead letters", count(status.dead_letters), `in ${counted(collections.filter((one) => one.dead_letters > 0).length, "collection")}`, status.dead_letters > 0 ? "bad" : null],
    ["Last write", status.last_sync ? ago(status.last_sync) : "none yet", "to Nexus", null],
    ["Compared", status.last_reconcile ? ago(status.last_reconcile) : "none yet", "with the store", null],
    ["Rate limit", limits[0] ?? "none", limits.slice(1).join(", "), null],
  ];
  list(byId("facts"), rows, ([name]) => name, ([name]) => {
    const value = el("b", null);
    const more = el("small", null);
    return el("div", { class: "fact" }, el("dt", null, name), el("dd", null, value, more));
  }, (node, [, value, more, kind]) => {
    say(node.querySelector("b"), value);
    mark(node.querySelector("b"), "class", kind);
    say(node.querySelector("small"), more ?? "");
    mark(node.querySelector("small"), "title", more || null);
  });
  say(byId("nexus-reason"), nexus.reason ?? "");
}

/** Shows health and its checks. */
export function showHealth(health) {
  const state = byId("state");
  mark(state, "class", `pill ${health.status}`);
  say(state, `${SIGNS[health.status] ?? ""} ${health.status}`);
  say(byId("state-reason"), health.reason ?? "All checks pass.");
  mark(byId("state-reason"), "title", health.reason);
  document.title = health.status === "healthy" ? "Nexus sync" : `${SIGNS[health.status] ?? ""} ${health.status} \u00b7 Nexus sync`;
  if (before !== null && before !== health.status) announce(`The sync is ${health.status}. ${health.reason ?? ""}`);
  before = health.status;
  list(byId("checks"), health.checks, (check) => check.name, (check) =>
    el("li", null, el("span", { class: "sign" }), el("b", null, words(check.name)), el("span", { class: "reason" })),
  (node, check) => {
    mark(node, "class", check.status);
    const sign = node.querySelector(".sign");
    say(sign, SIGNS[check.status] ?? "?");
    mark(sign, "aria-label", check.status);
    mark(sign, "role", "img");
    say(node.querySelector(".reason"), check.reason);
  });
}

/** Shows when the page was last brought up to date; `trouble` says why it is not, and is null where it is. */
export function showFreshness(at, trouble) {
  const node = byId("fresh");
  const isStale = trouble !== null;
  mark(node, "class", isStale ? "stale" : "live");
  if (isStale) say(node, at ? `last seen ${ago(at)}` : "not seen yet");
  else time(node, new Date(at).toISOString(), `updated ${clock(at)}`);
  document.body.classList.toggle("is-stale", isStale);
  say(byId("trouble"), trouble ?? "");
  show(byId("trouble"), Boolean(trouble));
}
