// Walks the graph: a document in the middle, what is related around it, and on from there.
//
// Invariant: what comes late is not shown: only the answer to the last question is.

import { ROOT, ask, part } from "./api.js";
import { button, byId, el, list, mark, say, show } from "./dom.js";
import { score, short } from "./format.js";
import { draw } from "./graph.js";
import { announce } from "./notices.js";

const HYBRID = `${ROOT}api/v1/search/hybrid`;
const OWN = { SIMILAR_TO: "similar", MENTIONS: "mentions", PART_OF: "part", NEXT: "next" };

// Documents that were walked over; the last is in the middle.
let way = [];
let shown = null;
let asked = 0;

/** Begins. */
export function begin() {
  byId("open").addEventListener("submit", (event) => {
    event.preventDefault();
    const [collection, id] = [byId("open-collection").value, byId("open-id").value];
    if (collection !== "" && id !== "") visit({ collection, id });
  });
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    search(byId("search-text").value.trim());
  });
  byId("back").addEventListener("click", () => {
    visit(way.at(-2), way.slice(0, -2));
  });
  byId("around-limit").addEventListener("change", again);
  byId("around-types").addEventListener("change", again);
  new ResizeObserver(() => shown && picture()).observe(byId("drawing"));
}

const again = () => way.length > 0 && visit(way.at(-1), way.slice(0, -1));

/** Of a payload: its title, as the plugin finds it, or the id. */
function titleOf(payload, id) {
  const field = (name) => payload?.[name] ?? payload?.metadata?.[name];
  const found = ["title", "name", "subject"].map(field).find((text) => typeof text === "string" && text.trim() !== "");
  return found ?? id;
}

function bodyOf(payload) {
  const field = (name) => payload?.[name] ?? payload?.metadata?.[name];
  const found = ["content", "text", "body", "description", "summary"].map(field).find((text) => typeof text === "string");
  return found ?? "";
}

const nameOf = ({ collection, id }) => `${collection} / ${id}`;

/** The key of an entity or a source as people write it. */
function plain(via) {
  try {
    return decodeURIComponent(via);
  } catch {
    return via;
  }
}

/** Puts a document into the middle; `before` are those that led to it. */
async function visit(document, before = way) {
  const number = ++asked;
  busy(true);
  const at = `${part(document.collection)}/${part(document.id)}`;
  const types = byId("around-types").value.split(",").map((type) => type.trim()).filter((type) => type !== "").join(",");
  const query = `limit=${part(byId("around-limit").value)}&with_payload=true${types === "" ? "" : `&types=${part(types)}`}`;
  try {
    const [related, payload] = await Promise.all([
      ask("GET", `${ROOT}api/v1/documents/${at}/related?${query}`),
      // The store's own route; a host that has another one shows the id instead of the title.
      ask("GET", `${ROOT}collections/${part(document.collection)}/vectors/${part(document.id)}`).then((found) => found.payload, () => null),
    ]);
    if (number !== asked) return;
    way = [...before, document];
    shown = { document, payload, related };
    byId("open-collection").value = document.collection;
    byId("open-id").value = document.id;
    complain("");
    picture();
    announce(`${titleOf(payload, document.id)}: ${related.results.length} related documents`);
  } catch (error) {
    if (number === asked) complain(error.message);
  } finally {
    if (number === asked) busy(false);
  }
}

const busy = (is) => mark(byId("around"), "aria-busy", is ? "true" : null);

function complain(text) {
  say(byId("explorer-error"), text);
  show(byId("explorer-error"), text !== "");
}

function around() {
  return shown.related.results.map((result, at) => {
    const { paths, sources } = result.explain;
    const types = [...new Set(paths.map((path) => path.type))];
    return {
      number: at + 1,
      document: { collection: result.collection, id: result.id },
      title: titleOf(result.payload, result.id),
      name: nameOf(result),
      types,
      kind: OWN[types[0]] ?? "other",
      score: sources[0]?.score ?? result.score,
      paths,
    };
  });
}

function picture() {
  const { document, payload, related } = shown;
  const others = around();
  show(byId("around"), true);
  show(byId("explorer-hint"), false);
  show(byId("back"), way.length > 1);
  const title = titleOf(payload, document.id);
  say(byId("middle-title"), title);
  say(byId("middle-name"), nameOf(document));
  say(byId("middle-text"), short(bodyOf(payload), 280));
  say(byId("around-note"), related.degraded ? `Not all of it: ${related.degraded_reason}.` : others.length === 0 ? "Nothing is related to it by these types of edges." : "");
  draw(byId("drawing"), { title, name: nameOf(document) }, others, (one) => visit(one.document));
  show(byId("drawing"), others.length > 0);
  list(byId("related"), others, (one) => JSON.stringify([document, one.number, one.document]), (one) =>
    el("li", { "data-related": one.document.id },
      button("", () => visit(one.document), { kind: "link" }), el("small", null), el("span", { class: "ways" })),
  (node, one) => {
    const [go, name, ways] = node.children;
    say(go, one.title);
    say(name, `${one.name} \u00b7 ${score(one.score)}`);
    list(ways, one.paths, (path) => `${path.type} ${path.via}`, () => el("span", null), (way, path) => {
      mark(way, "class", `way ${OWN[path.type] ?? "other"}`);
      say(way, `${path.type}${path.via ? ` via ${plain(path.via)}` : ""} ${score(path.worth)}`);
    });
  });
}

/** Searches one collection, or all that can be searched for a text. */
async function find(text) {
  const chosen = byId("search-collection").value;
  const body = { text, limit: 10, with_payload: true };
  if (chosen === "") return ask("POST", `${ROOT}api/v1/search/cross-domain`, { ...body, links: false });
  try {
    return await ask("POST", HYBRID, { ...body, collections: [chosen] });
  } catch (error) {
    // The host cannot make a vector of it that fits the collection; its words may be there all the same.
    if (error.status !== 400 || !error.message.startsWith("text: ")) throw error;
    return ask("POST", HYBRID, { ...body, collections: [chosen], weights: { vector: 0 } });
  }
}

async function search(text) {
  if (text === "") return;
  say(byId("found-note"), "Searching\u2026");
  try {
    const answer = await find(text);
    list(byId("found"), answer.results, (result) => JSON.stringify([result.collection, result.id]), (result) =>
      el("li", { "data-found": result.id }, button("", () => visit({ collection: result.collection, id: result.id }), { kind: "link" }), el("small", null)),
    (node, result) => {
      say(node.firstElementChild, titleOf(result.payload, result.id));
      say(node.lastElementChild, `${nameOf(result)} \u00b7 ${score(result.score)}`);
    });
    const degraded = answer.degraded ? ` Not all of it: ${answer.degraded_reason}.` : "";
    say(byId("found-note"), answer.results.length === 0 ? `Nothing was found.${degraded}` : `${answer.results.length} found in ${answer.took_ms} ms.${degraded}`);
  } catch (error) {
    list(byId("found"), [], String, null, null);
    say(byId("found-note"), error.message);
  }
}

/** Forgets what is shown: another visitor may not see it. */
export function clear() {
  asked += 1;
  way = [];
  shown = null;
  show(byId("around"), false);
  show(byId("explorer-hint"), true);
  list(byId("found"), [], String, null, null);
  say(byId("found-note"), "");
  complain("");
}
