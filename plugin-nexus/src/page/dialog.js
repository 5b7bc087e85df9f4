// Asks before something is done that cannot be taken back at once, or that needs to be said more of.

import { byId, el, say } from "./dom.js";

/**
 * Asks, and answers what the fields hold, or null where it was called off.
 *
 * A field is `{name, label, kind: "check" | "text" | "choice", value, options, hint}`.
 */
export function ask({ title, text, action, danger = false, fields = [] }) {
  const dialog = byId("dialog");
  say(byId("dialog-title"), title);
  say(byId("dialog-text"), text);
  const inputs = new Map();
  byId("dialog-fields").replaceChildren(...fields.map((field) => made(field, inputs)));
  const go = byId("dialog-go");
  say(go, action);
  go.className = danger ? "danger" : "primary";
  dialog.returnValue = "";
  dialog.showModal();
  // What does harm is not what the enter key is on.
  (inputs.values().next().value ?? (danger ? byId("dialog-off") : go)).focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "go" ? read(inputs) : null), { once: true });
  });
}

function made(field, inputs) {
  const id = `dialog-${field.name}`;
  let input;
  if (field.kind === "choice") {
    input = el("select", { id }, ...field.options.map(([value, label]) => el("option", { value }, label)));
    input.value = field.value ?? "";
  } else if (field.kind === "check") {
    input = el("input", { id, type: "checkbox" });
    input.checked = field.value === true;
  } else {
    input = el("input", { id, type: "text", maxlength: 1000, autocomplete: "off" });
    input.value = field.value ?? "";
  }
  inputs.set(field.name, input);
  const label = el("label", { for: id }, field.label);
  const hint = field.hint ? el("small", { id: `${id}-hint` }, field.hint) : null;
  if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
  return el("div", { class: `field ${field.kind}` }, ...(field.kind === "check" ? [input, label] : [label, input]), hint);
}

function read(inputs) {
  const values = {};
  for (const [name, input] of inputs) values[name] = input.type === "checkbox" ? input.checked : input.value;
  return values;
}

/** Begins. */
export function begin() {
  const dialog = byId("dialog");
  byId("dialog-off").addEventListener("click", () => dialog.close("off"));
  byId("dialog-form").addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close("go");
  });
}
