// What this Nexus was seen to do right: the form of each operation that is in use, and what came of the others.

import { byId, cell, el, list, mark, say, show, time } from "./dom.js";
import { ago, count, words } from "./format.js";

const SIGNS = { right: "\u2713", wrong: "\u2715", failed: "\u2715", unproven: "?" };

/** Shows the table. */
export function showReport({ capabilities }) {
  const operations = capabilities?.operations ?? [];
  list(byId("capabilities"), operations, (one) => one.operation, row, fill);
  show(byId("capabilities-table"), operations.length > 0);
  show(byId("capabilities-none"), operations.length === 0);
  const at = byId("probed");
  if (capabilities) time(at, capabilities.probed_at, `Nexus ${capabilities.version}, probed ${ago(capabilities.probed_at)} in ${count(capabilities.probe_ms)} ms`);
  else say(at, "");
}

function row({ operation }) {
  return el("tr", { "data-operation": operation },
    el("th", { scope: "row", "data-label": "Operation" }, words(operation), el("span", { class: "required" })),
    cell("Form in use", null, el("span", null)),
    cell("What was tried", "wide", el("ul", { class: "tried" })));
}

function fill(node, one) {
  const [name, form, tried] = node.cells;
  say(name.lastElementChild, one.required ? "required" : "");
  say(form.firstElementChild, one.form === null ? "none" : words(one.form));
  mark(form.firstElementChild, "class", one.form !== null ? "form" : one.required ? "bad" : "muted");
  list(tried.firstElementChild, one.tried, (finding) => finding.form, () =>
    el("li", null, el("span", { class: "sign" }), el("b", null), el("span", { class: "reason" })),
  (item, finding) => {
    const [sign, formName, reason] = item.children;
    mark(item, "class", `${finding.verdict}${finding.form === one.form ? " used" : ""}`);
    say(sign, SIGNS[finding.verdict] ?? "?");
    mark(sign, "aria-hidden", "true");
    say(formName, words(finding.form));
    say(reason, told(finding));
  });
}

function told(finding) {
  switch (finding.verdict) {
    case "right": return "right";
    case "wrong": return `wrong: ${finding.found} instead of ${finding.expected}`;
    case "failed": return `failed: ${finding.error}`;
    case "unproven": return `unproven: ${finding.why}`;
    default: return words(finding.verdict);
  }
}
