// Elements, made and changed.
//
// Invariants: a text only ever becomes a text node, so that nothing the API says is read as markup; an element that shows the same as
// before is left alone, so that focus, selection and what a screen reader is at stay where they are.

const SVG = "http://www.w3.org/2000/svg";

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  // Strings become text nodes.
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An element with attributes, listeners (attributes that are functions) and children. */
export function el(tag, attributes, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** The same, of a drawing. */
export function svg(tag, attributes, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

/** The element of the page with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Sets an element's text where it differs. */
export function say(node, text) {
  const next = String(text ?? "");
  if (node.textContent !== next) node.textContent = next;
}

/** Sets an attribute where it differs; null takes it away. */
export function mark(node, name, value) {
  if (value === null || value === undefined) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

/** Shows or hides an element. */
export function show(node, shown) {
  node.toggleAttribute("hidden", !shown);
}

/** A button. `change`: it changes something, so that it is for administrators. */
export function button(label, action, { change = false, kind = null, name = null } = {}) {
  return el("button", {
    type: "button",
    class: kind,
    "aria-label": name,
    "data-change": change,
    click: action,
  }, label);
}

/** A cell of a table that says its column where rows are shown as cards. */
export function cell(label, kind, ...children) {
  return el("td", { "data-label": label, class: kind }, ...children);
}

/** A time: short, with the whole of it at hand. */
export function time(node, moment, shown) {
  say(node, shown);
  mark(node, "datetime", moment ?? null);
  mark(node, "title", moment ?? null);
}

const kept = new WeakMap();

/**
 * Makes an element's children show a list: one child for each item, known by its key, made once by `make` and brought up to date by
 * `fill`. What is no longer in the list goes.
 */
export function list(parent, items, key, make, fill) {
  const before = kept.get(parent) ?? new Map();
  const after = new Map(items.map((item) => [key(item), null]));
  // These go first, so that those that stay need not be moved, which would take the focus from them.
  for (const [name, node] of before) if (!after.has(name)) node.remove();
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const node = before.get(name) ?? make(item);
    after.set(name, node);
    fill(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  kept.set(parent, after);
}
