// Who the visitor is to the server: an administrator, a user who may only look, or nobody yet.
//
// The API has no route that says so. One that only administrators may read is asked instead, once for each key: nothing comes of
// it. Where that cannot be told, buttons are left usable, and the API says what it refuses.

import { ROOT, ask, key } from "./api.js";
import { byId, mark, say, show } from "./dom.js";

let role = null;

/** Finds out who the visitor is. */
export async function find() {
  if (role !== null) return;
  const whose = key.get();
  let found = null;
  try {
    await ask("GET", `${ROOT}api/v1/webhooks/nexus`);
    found = "admin";
  } catch (error) {
    found = { 403: "user", 404: "admin" }[error.status] ?? null;
  }
  // There may be another key by now.
  if (whose === key.get()) role = found;
}

/** Has buttons that change something be usable for administrators alone. */
export function apply() {
  const may = role !== "user";
  for (const node of document.querySelectorAll("[data-change]")) {
    if (node.disabled === may) node.disabled = !may;
    mark(node, "aria-describedby", may ? null : "reader");
  }
  show(byId("reader"), !may);
}

/** Shows where a key is entered, and why: the server takes none, or not this one. */
export function demand() {
  const entry = byId("entry");
  if (entry.hidden) {
    show(entry, true);
    byId("key").focus();
  }
  say(byId("entry-reason"), key.get() === "" ? "The server asks for an API key." : "The server does not take this key.");
}

/** Begins: `changed` is called whenever there is another key. */
export function begin(changed) {
  const entry = byId("entry");
  const field = byId("key");
  const set = (value) => {
    key.set(value);
    role = null;
    field.value = "";
    show(entry, false);
    show(byId("forget"), value !== "");
    changed();
  };
  show(byId("forget"), key.get() !== "");
  entry.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = field.value.trim();
    // A header holds no others.
    if (/^[\x21-\x7e]+$/.test(given)) set(given);
    else say(byId("entry-reason"), "A key has letters, digits and signs of ASCII only.");
  });
  byId("change-key").addEventListener("click", () => {
    say(byId("entry-reason"), "");
    show(entry, entry.hidden);
    if (!entry.hidden) field.focus();
  });
  byId("forget").addEventListener("click", () => set(""));
}
