// A line over time, drawn as SVG: axes, unit, and the value under the pointer or the arrow keys.
//
// Invariant: it shows points as they were measured: no smoothing, no line across a gap.

import { el, mark, say, svg } from "./dom.js";
import { clock } from "./format.js";
import { GAP_MS, SPAN_MS } from "./series.js";

const HEIGHT = 132;
const EDGE = { left: 46, right: 10, top: 8, bottom: 20 };
const MINUTE = 60 * 1000;

/** The least scale of round steps that a value fits below: `[0, 5, 10, 15]`. */
export function scale(most, least, steps = null) {
  const wanted = Math.max(most, least) / 3;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const round = steps ?? [1, 2, 5, 10].map((step) => step * power);
  const step = round.find((one) => one >= wanted - 1e-9) ?? Math.ceil(wanted / 86400) * 86400;
  const count = Math.max(1, Math.ceil(Math.max(most, least) / step - 1e-9));
  return Array.from({ length: count + 1 }, (_, at) => at * step);
}

/** A chart in a figure. `format` makes words of a value, `tick` of one at the axis. */
export class Chart {
  #figure;
  #reading;
  #detail;
  #drawing;
  #settings;
  #points = [];
  #now = Date.now();
  #chosen = null;

  constructor(figure, settings) {
    this.#figure = figure;
    this.#settings = settings;
    this.#reading = el("span", { class: "reading" });
    this.#detail = el("span", { class: "detail" });
    const title = el("h3", null, settings.title);
    const caption = el("figcaption", null, title, el("span", { class: "now" }, this.#reading, this.#detail));
    this.#drawing = svg("svg", {
      class: `line ${settings.kind}`,
      role: "img",
      tabindex: 0,
      height: HEIGHT,
      pointermove: (event) => this.#point(event),
      pointerleave: () => this.#choose(null),
      blur: () => this.#choose(null),
      keydown: (event) => this.#step(event),
    });
    figure.append(caption, this.#drawing);
    new ResizeObserver(() => this.#render()).observe(figure);
  }

  /** Shows points `{at, value}`, oldest first. */
  draw(points, now = Date.now()) {
    this.#points = points;
    this.#now = now;
    this.#render();
  }

  #seen() {
    return this.#points.filter((point) => point.value !== null);
  }

  #choose(point) {
    this.#chosen = point;
    this.#render();
  }

  #x(at) {
    const width = this.#width() - EDGE.left - EDGE.right;
    return EDGE.left + (1 - (this.#now - at) / SPAN_MS) * width;
  }

  #width() {
    return Math.max(220, this.#drawing.clientWidth || this.#figure.clientWidth);
  }

  #point(event) {
    const x = event.clientX - this.#drawing.getBoundingClientRect().left;
    const distance = (point) => Math.abs(this.#x(point.at) - x);
    const nearest = this.#seen().reduce((best, point) => (best && distance(best) <= distance(point) ? best : point), null);
    this.#choose(nearest && distance(nearest) < 24 ? nearest : null);
  }

  #step(event) {
    const seen = this.#seen();
    const at = this.#chosen ? seen.findIndex((point) => point.at === this.#chosen.at) : seen.length;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: seen.length - 1 }[event.key];
    if (event.key === "Escape") this.#choose(null);
    if (to === undefined || seen.length === 0) return;
    event.preventDefault();
    this.#choose(seen[Math.min(Math.max(to, 0), seen.length - 1)]);
  }

  #render() {
    const { title, format, tick, least, steps } = this.#settings;
    const width = this.#width();
    const seen = this.#seen();
    const most = seen.reduce((most, point) => Math.max(most, point.value), 0);
    const ticks = scale(most, least, steps);
    const top = ticks.at(-1);
    const y = (value) => HEIGHT - EDGE.bottom - (value / top) * (HEIGHT - EDGE.top - EDGE.bottom);
    const base = y(0);

    const marks = ticks.map((value) =>
      svg("g", null,
        svg("line", { class: value === 0 ? "axis" : "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }),
        svg("text", { class: "tick", x: EDGE.left - 7, y: y(value) + 3.5, "text-anchor": "end" }, tick(value))));
    for (const minutes of [15, 10, 5, 0]) {
      const x = this.#x(this.#now - minutes * MINUTE);
      const anchor = minutes === 15 ? "start" : minutes === 0 ? "end" : "middle";
      const label = minutes === 0 ? "now" : `\u2212${minutes} min`;
      marks.push(svg("line", { class: "axis", x1: x, x2: x, y1: base, y2: base + 4 }));
      marks.push(svg("text", { class: "tick", x, y: HEIGHT - 4, "text-anchor": anchor }, label));
    }

    // What lies behind a gap is a line of its own.
    const lines = [];
    for (const point of seen) {
      const line = lines.at(-1);
      if (line && point.at - line.at(-1).at <= GAP_MS) line.push(point);
      else lines.push([point]);
    }
    const place = (point) => `${this.#x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`;
    for (const line of lines) {
      const way = line.map(place).join("L");
      const ends = [line[0], line.at(-1)].map((point) => this.#x(point.at).toFixed(1));
      marks.push(svg("path", { class: "area", d: `M${ends[0]} ${base}L${way}L${ends[1]} ${base}Z` }));
      marks.push(svg("path", { class: "stroke", d: `M${way}${line.length === 1 ? "h0.1" : ""}` }));
    }

    const last = seen.at(-1);
    const shown = this.#chosen ?? last;
    if (this.#chosen) {
      const x = this.#x(shown.at);
      marks.push(svg("line", { class: "cursor", x1: x, x2: x, y1: EDGE.top, y2: base }));
    }
    if (shown) marks.push(svg("circle", { class: "dot", cx: this.#x(shown.at), cy: y(shown.value), r: 3 }));
    mark(this.#drawing, "viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#drawing.replaceChildren(...marks);

    say(this.#reading, shown ? format(shown.value) : "\u2013");
    const peak = seen.length > 0 ? `peak ${format(most)}` : "nothing seen yet";
    say(this.#detail, this.#chosen ? `at ${clock(shown.at)}` : peak);
    mark(this.#drawing, "aria-label", `${title}: ${shown ? format(shown.value) : "nothing seen yet"}${this.#chosen ? ` at ${clock(shown.at)}` : ` now, ${peak} in the last 15 minutes`}`);
    mark(this.#drawing, "data-points", seen.length);
  }
}
