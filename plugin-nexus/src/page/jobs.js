// Comparisons and backfills: ordered, watched, and steered.

import { post } from "./api.js";
import { act } from "./actions.js";
import { synced } from "./collections.js";
import { ask } from "./dialog.js";
import { button, byId, cell, el, list, mark, say, show, time } from "./dom.js";
import { ago, count, duration, words } from "./format.js";
import { announce } from "./notices.js";

const KINDS = { reconcile: "Comparison", backfill: "Backfill" };
const PILLS = { queued: "off", running: "running", paused: "degraded", done: "healthy", cancelled: "off", failed: "unhealthy" };
// Which button may be used in which state.
const STEERS = { pause: ["queued", "running"], resume: ["paused"], cancel: ["queued", "running", "paused"] };
const FINDINGS = ["missing", "stale", "changed", "gone", "orphan"];

const states = new Map();

/** Begins. */
export function begin() {
  byId("trigger").addEventListener("click", trigger);
  byId("reconcile").addEventListener("click", reconcile);
}

const which = () => ({
  name: "collection", label: "Collection", kind: "choice",
  options: [["", "All that are synced"], ...synced().map((name) => [name, name])],
});

const scope = ({ collection }) => (collection === "" ? {} : { collection });

async function trigger() {
  const wanted = await ask({
    title: "Bring documents into the graph",
    text: "Reads the documents of the store and queues those that the graph does not have as they are.",
    action: "Trigger",
    fields: [which(), { name: "force", label: "Also those that seem right", kind: "check", hint: "All of them are written again." }],
  });
  if (wanted !== null) act(() => post("trigger", { ...scope(wanted), force_resync: wanted.force }), ordered);
}

async function reconcile() {
  const wanted = await ask({
    title: "Compare store, journal and graph",
    text: "What differs is put right.",
    action: "Reconcile",
    fields: [which(), { name: "dry", label: "Dry run", kind: "check", hint: "Only count what differs." }],
  });
  if (wanted !== null) act(() => post("reconcile", { ...scope(wanted), dry_run: wanted.dry }), ordered);
}

const ordered = ({ job_id: id, estimated_total: total }) => `Job ${id} is queued, over about ${count(total)} documents`;

/** Shows a list of jobs. */
export function showJobs({ jobs, total }) {
  list(byId("jobs"), jobs, (job) => job.id, row, fill);
  show(byId("jobs-none"), jobs.length === 0);
  say(byId("jobs-total"), total > jobs.length ? `The newest ${jobs.length} of ${total}.` : "");
}

function row({ id }) {
  const steer = (verb) => button(words(verb), () => act(() => post(`jobs/${verb}`, { id }), (job) => `Job ${id} is ${job.state}`), {
    change: true, name: `${words(verb)} job ${id}`, kind: "verb",
  });
  return el("tr", { "data-job": id },
    el("th", { scope: "row", "data-label": "Job" }, `#${id}`),
    cell("Kind", null, el("b", null), el("small", null)),
    cell("State", null, el("span", null)),
    cell("Progress", "progress", el("progress", { max: 1, "aria-label": `Progress of job ${id}` }), el("span", { class: "share" })),
    cell("Counts", "wide", el("span", null), el("small", null)),
    cell("Began", null, el("time", null), el("small", null)),
    cell("", "actions", el("span", { class: "buttons" }, steer("pause"), steer("resume"), steer("cancel"))));
}

function fill(node, job) {
  const [, kind, state, progress, counts, began, actions] = node.cells;
  say(kind.firstElementChild, `${KINDS[job.kind] ?? words(job.kind)}${job.dry_run ? ", dry run" : ""}${job.force ? ", forced" : ""}`);
  const about = job.collections === null ? "all collections" : job.collections.join(", ");
  say(kind.lastElementChild, `${about} \u00b7 by ${words(job.trigger)}`);
  mark(state.firstElementChild, "class", `pill ${PILLS[job.state] ?? "off"}`);
  say(state.firstElementChild, job.state);
  progress.firstElementChild.value = job.progress;
  const isOver = job.ended_at !== null;
  say(progress.lastElementChild, `${Math.floor(job.progress * 100)} %${isOver ? "" : ` \u00b7 ${words(job.phase)}${job.current_collection ? ` of ${job.current_collection}` : ""}`}`);
  const { counts: of } = job;
  const done = [`${count(of.compared)} compared`, ...["synced", "deleted", "failed"].filter((name) => of[name] > 0).map((name) => `${count(of[name])} ${name}`)];
  say(counts.firstElementChild, done.join(", "));
  const found = FINDINGS.filter((name) => of[name] > 0).map((name) => `${count(of[name])} ${name}`);
  const remarks = [found.length > 0 ? `found ${found.join(", ")}` : null, ...job.notes, job.error].filter((text) => text !== null);
  say(counts.lastElementChild, remarks.join("; "));
  const begun = job.started_at ?? job.created_at;
  time(began.firstElementChild, begun, ago(begun));
  const took = isOver && job.started_at !== null ? (Date.parse(job.ended_at) - Date.parse(job.started_at)) / 1000 : null;
  say(began.lastElementChild, took === null ? "" : `took ${duration(Math.max(took, 0))}`);
  const verbs = actions.querySelectorAll("button");
  ["pause", "resume", "cancel"].forEach((verb, at) => show(verbs[at], STEERS[verb].includes(job.state)));
  if (states.has(job.id) && states.get(job.id) !== job.state) announce(`Job ${job.id} is ${job.state}`);
  states.set(job.id, job.state);
}
