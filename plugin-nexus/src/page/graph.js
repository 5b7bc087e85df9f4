// Draws a document in the middle and what is related around it: one line each, labelled with its type, the wider the higher its score.
//
// Related documents stand in two columns that bulge around the middle, so that no label covers another. Where there is no room for
// labels the numbers are left, which are those of the list beside.

import { mark, svg } from "./dom.js";
import { score, short } from "./format.js";

const ROW = 44;
const CENTRE = { width: 190, height: 50 };
const RADIUS = 12;
// Below this width there are no labels.
const NARROW = 620;

/** `middle` is `{title, name}`; `around` a list of `{number, title, name, types, kind, score}`, the best type first; `walk` is called with one of it. */
export function draw(drawing, middle, around, walk) {
  const width = Math.max(drawing.clientWidth, 280);
  const isNarrow = width < NARROW;
  const rows = Math.ceil(around.length / 2);
  const height = Math.max(rows * ROW + 24, isNarrow ? 220 : 200);
  const centre = { x: width / 2, y: height / 2 };
  const reach = isNarrow ? width / 2 - 24 : width * 0.29;
  const strongest = around.reduce((most, one) => Math.max(most, one.score), 0) || 1;
  const parts = { lines: [], types: [], nodes: [] };
  around.forEach((one, at) => {
    const side = at % 2 === 0 ? 1 : -1;
    const ofSide = side > 0 ? rows : around.length - rows;
    // From -1 at the top to 1 at the bottom.
    const spread = ofSide === 1 ? 0 : (Math.floor(at / 2) / (ofSide - 1)) * 2 - 1;
    const place = {
      x: centre.x + side * reach * (0.93 + 0.07 * Math.sqrt(1 - spread * spread)),
      y: centre.y + (spread * ((ofSide - 1) * ROW)) / 2,
    };
    const from = isNarrow ? centre : { x: centre.x + (side * CENTRE.width) / 2, y: centre.y };
    // The line comes in level, so that there is room for its type above it.
    const bend = { x: from.x + (place.x - from.x) * 0.4, y: place.y };
    parts.lines.push(svg("path", {
      class: `edge ${one.kind}`,
      d: `M${from.x} ${from.y}Q${bend.x} ${bend.y} ${place.x} ${place.y}`,
      "stroke-width": (1 + 5 * (one.score / strongest)).toFixed(1),
    }));
    if (!isNarrow) parts.types.push(written(typesOf(one), `type ${one.kind}`, place.x - side * 18, place.y - 6, -side, Math.abs(place.x - from.x) - 30));
    const room = isNarrow ? null : width / 2 - Math.abs(place.x - centre.x) - RADIUS - 10;
    parts.nodes.push(node(one, place, side, room, walk));
  });
  mark(drawing, "viewBox", `0 0 ${width} ${height}`);
  mark(drawing, "height", height);
  drawing.replaceChildren(...parts.lines, ...parts.types, middleOf(middle, centre, isNarrow), ...parts.nodes);
  for (const text of drawing.querySelectorAll("text[data-room]")) fit(text);
}

const typesOf = ({ types }) => (types.length > 1 ? `${types[0]} +${types.length - 1}` : types[0] ?? "");

/** A text that begins (`side` 1), ends (-1) or has its middle (0) at a place, and is cut where it is longer than the room. */
function written(text, kind, x, y, side, room) {
  const anchor = { 1: "start", 0: "middle", "-1": "end" }[side];
  return svg("text", { class: kind, x, y, "text-anchor": anchor, "data-room": room }, text);
}

/** Cuts a text that is longer than its room; the pointer still finds the whole of it. */
function fit(node) {
  const room = Number(node.dataset.room);
  const text = node.textContent;
  let letters = Array.from(text).length;
  for (let length = node.getComputedTextLength(); length > room && letters > 2; length = node.getComputedTextLength()) {
    letters = Math.max(2, Math.min(letters - 1, Math.floor((letters * room) / length)));
    node.textContent = short(text, letters);
  }
  if (node.textContent !== text) node.append(svg("title", null, text));
}

/** A related document; without `room` it has no labels. */
function node(one, { x, y }, side, room, walk) {
  const go = () => walk(one);
  const labels = room === null ? [] : [
    written(one.title, "title", x + side * 18, y - 1, side, room),
    written(one.name, "name", x + side * 18, y + 13, side, room),
  ];
  return svg("g", {
    class: `node ${one.kind}`,
    role: "button",
    tabindex: 0,
    "aria-label": `${one.number}: ${one.title}, ${one.types.join(", ")}, ${score(one.score)}. Go there`,
    click: go,
    keydown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      go();
    },
  },
  svg("circle", { cx: x, cy: y, r: RADIUS }),
  svg("text", { class: "number", x, y: y + 4, "text-anchor": "middle" }, String(one.number)),
  ...labels);
}

function middleOf({ title, name }, { x, y }, isNarrow) {
  if (isNarrow) return svg("g", { class: "middle" }, svg("circle", { cx: x, cy: y, r: 14 }));
  const room = CENTRE.width - 20;
  return svg("g", { class: "middle" },
    svg("rect", { x: x - CENTRE.width / 2, y: y - CENTRE.height / 2, width: CENTRE.width, height: CENTRE.height, rx: 8 }),
    written(title, "title", x, y - 3, 0, room),
    written(name, "name", x, y + 14, 0, room));
}
