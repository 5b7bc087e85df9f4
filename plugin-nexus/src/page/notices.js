// What came of what the visitor did, and what changed by itself, told for eyes and for screen readers.

import { button, byId, el, say } from "./dom.js";

const SHOWN_MS = 6000;
// More at a time would cover the page.
const MOST = 4;

/** Tells of a change to screen readers alone: eyes see it where it is. */
export function announce(text) {
  say(byId("announcer"), text);
}

/** Tells that something was done. */
export function done(text) {
  put(text, "status", "good");
}

/** Tells that something failed; it stays until it is put away. */
export function failed(text) {
  put(text, "alert", "bad");
}

function put(text, role, kind) {
  const notice = el("div", { class: `notice ${kind}`, role }, el("p", null, text));
  notice.append(button("\u00d7", () => notice.remove(), { name: "Dismiss", kind: "quiet" }));
  const shown = byId("notices");
  shown.append(notice);
  if (shown.childElementCount > MOST) shown.firstElementChild.remove();
  if (role === "status") setTimeout(() => notice.remove(), SHOWN_MS);
}
