// Documents that Nexus refused so often that they are not tried again: why, and what is to become of them. Page by page.

import { get, part, post } from "./api.js";
import { act } from "./actions.js";
import { ask } from "./dialog.js";
import { button, byId, cell, el, list, mark, say, show, time } from "./dom.js";
import { ago, count, counted } from "./format.js";

const LIMIT = 10;

// What `after` was for the pages before, and is for this one: null for the first.
let way = [null];
let next = null;
let collection = "";

/** Begins: `refresh` asks anew. */
export function begin(refresh) {
  const turn = (change) => () => {
    change();
    refresh();
  };
  byId("dead-before").addEventListener("click", turn(() => way.length > 1 && way.pop()));
  byId("dead-next").addEventListener("click", turn(forward));
  byId("dead-collection").addEventListener("change", (event) => {
    collection = event.target.value;
    way = [null];
    refresh();
  });
  byId("dead-replay").addEventListener("click", () => many("replay"));
  byId("dead-purge").addEventListener("click", () => many("purge"));
}

function forward() {
  if (next !== null) way.push(next);
  // Until that page is there, there is no next one.
  next = null;
}

/** Asks for the page that is looked at. */
export function load() {
  const after = way.at(-1);
  const only = collection === "" ? "" : `&collection=${part(collection)}`;
  return get(`dead-letters?limit=${LIMIT}${only}${after === null ? "" : `&after=${part(after)}`}`);
}

/** Shows a page. */
export function showPage(page) {
  const letters = page.dead_letters;
  next = page.next;
  // The last letters of a page may have gone.
  if (letters.length === 0 && way.length > 1) way.pop();
  list(byId("dead"), letters, (one) => JSON.stringify([one.collection, one.id]), row, fill);
  show(byId("dead-table"), letters.length > 0);
  say(byId("dead-none"), collection === "" ? "None: Nexus took every document." : `None in "${collection}".`);
  show(byId("dead-none"), letters.length === 0);
  const first = (way.length - 1) * LIMIT;
  say(byId("dead-range"), letters.length > 0 ? `${count(first + 1)} to ${count(first + letters.length)} of ${count(page.total)}` : "");
  show(byId("dead-pages"), page.total > LIMIT || way.length > 1);
  byId("dead-before").disabled = way.length === 1;
  byId("dead-next").disabled = next === null;
  for (const id of ["dead-replay", "dead-purge"]) show(byId(id), page.total > 0);
  say(byId("dead-count"), page.total > 0 ? count(page.total) : "");
}

function row(letter) {
  const one = { collection: letter.collection, ids: [letter.id] };
  const name = `${letter.id} of ${letter.collection}`;
  return el("tr", { "data-dead": letter.id },
    el("th", { scope: "row", "data-label": "Document" }, el("span", { class: "id" }, letter.id), el("small", null, letter.collection)),
    cell("Cause", "wide", el("span", { class: "cause" })),
    cell("Work", null, el("span", null), el("small", null)),
    cell("Attempts", "number", el("span", null)),
    cell("Last failed", null, el("time", null), el("small", null)),
    cell("", "actions", el("span", { class: "buttons" },
      button("Replay", () => act(() => post("dead-letters/replay", one), replayed), { change: true, name: `Replay ${name}` }),
      button("Purge", () => purge(one, name), { change: true, kind: "danger", name: `Purge ${name}` }))));
}

function fill(node, letter) {
  const [, cause, work, attempts, failed] = node.cells;
  say(cause.firstElementChild, letter.cause);
  say(work.firstElementChild, letter.work.join(", "));
  say(work.lastElementChild, letter.in_store ? "" : "no longer in the store");
  say(attempts.firstElementChild, count(letter.attempts));
  time(failed.firstElementChild, letter.last_failed_at, letter.last_failed_at ? ago(letter.last_failed_at) : "\u2013");
  say(failed.lastElementChild, letter.first_failed_at ? `first ${ago(letter.first_failed_at)}` : "");
  mark(failed.lastElementChild, "title", letter.first_failed_at);
}

const replayed = ({ replayed: number }) => `${counted(number, "document")} tried again`;
const purged = ({ purged: number }) => `${counted(number, "dead letter")} forgotten`;
const WARNING = "The graph stays without what they said, until the document changes or the next comparison finds it again.";

async function purge(selection, name) {
  const sure = await ask({ title: `Forget ${name}?`, text: WARNING, action: "Purge", danger: true });
  if (sure !== null) act(() => post("dead-letters/purge", selection), purged);
}

async function many(verb) {
  const where = collection === "" ? "all collections" : `"${collection}"`;
  const isPurge = verb === "purge";
  const sure = await ask({
    title: isPurge ? `Forget the dead letters of ${where}?` : `Try the dead letters of ${where} again?`,
    text: isPurge ? WARNING : "Each gets a full number of attempts.",
    action: isPurge ? "Purge all" : "Replay all",
    danger: isPurge,
  });
  if (sure === null) return;
  way = [null];
  act(() => post(`dead-letters/${verb}`, collection === "" ? {} : { collection }), isPurge ? purged : replayed);
}
