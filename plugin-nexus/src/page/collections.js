// The collections, with what was done for each, and their switches.

import { post } from "./api.js";
import { act } from "./actions.js";
import { ask } from "./dialog.js";
import { button, byId, cell, el, list, mark, say, show, time } from "./dom.js";
import { ago, count } from "./format.js";

let names = [];

/** The collections that are synced. */
export const synced = () => names;

/** Shows a status. */
export function showStatus({ collections }) {
  names = collections.filter((one) => one.enabled).map((one) => one.name);
  list(byId("collections"), collections, (one) => one.name, row, fill);
  show(byId("collections-none"), collections.length === 0);
  for (const options of document.querySelectorAll("datalist#known, select[data-collections]")) offer(options, collections);
}

// Where a collection can be chosen, the choice stays as it is.
function offer(node, collections) {
  const first = node.dataset.collections === undefined ? [] : [{ name: "", label: "all collections" }];
  const items = [...first, ...collections.map(({ name }) => ({ name, label: name }))];
  list(node, items, (item) => item.name, (item) => el("option", { value: item.name }, item.label), () => {});
}

function row({ name }) {
  const number = (label) => cell(label, "number", el("span", null));
  const node = el("tr", { "data-collection": name },
    el("th", { scope: "row", "data-label": "Collection" }, name),
    cell("Sync", null, el("span", { class: "pill" })),
    cell("Domain", null, el("span", null)),
    number("Written"), number("Deleted"), number("Errors"), number("Waiting"), number("Dead letters"),
    cell("Last write", null, el("time", null)),
    cell("Last error", "wide", el("span", { class: "clip" })),
    cell("", "actions", el("span", { class: "buttons" })));
  const toggle = button("", () => (node.dataset.enabled === "true" ? disable(name) : enable(name)), { change: true });
  node.querySelector(".buttons").append(toggle);
  return node;
}

function fill(node, one) {
  const [, state, domain, written, deleted, errors, waiting, dead, last, fault] = Array.from(node.cells, (cell) => cell.firstElementChild);
  node.dataset.enabled = one.enabled;
  say(state, one.enabled ? "on" : "off");
  mark(state, "class", `pill ${one.enabled ? "healthy" : "off"}`);
  say(domain, one.domain ?? "by content");
  mark(domain, "class", one.domain ? null : "muted");
  for (const [place, value] of [[written, one.synced], [deleted, one.deleted], [errors, one.errors], [waiting, one.queue_depth], [dead, one.dead_letters]]) {
    say(place, count(value));
    mark(place, "class", value === 0 ? "muted" : null);
  }
  if (one.dead_letters > 0) mark(dead, "class", "bad");
  time(last, one.last_sync, one.last_sync ? ago(one.last_sync) : "\u2013");
  say(fault, one.last_error ?? "\u2013");
  mark(fault, "title", one.last_error);
  mark(fault, "class", one.last_error ? "clip" : "clip muted");
  const toggle = node.querySelector("button");
  say(toggle, one.enabled ? "Disable" : "Enable");
  mark(toggle, "aria-label", `${one.enabled ? "Disable" : "Enable"} ${one.name}`);
}

async function enable(name) {
  const sure = await ask({
    title: `Sync "${name}"?`,
    text: "Its documents are brought into the graph, and changes follow from now on.",
    action: "Enable",
  });
  if (sure !== null) act(() => post("enable", { collection: name }));
}

async function disable(name) {
  const sure = await ask({
    title: `Sync "${name}" no more?`,
    text: "Changes of its documents no longer reach the graph. The store keeps all of them.",
    action: "Disable",
    danger: true,
    fields: [{ name: "remove", label: "Take its documents out of the graph, too", kind: "check", hint: "Otherwise they stay there as they are now." }],
  });
  if (sure !== null) act(() => post("disable", { collection: name, remove: sure.remove }));
}
