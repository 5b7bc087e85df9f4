// Numbers, durations and times as people read them.
//
// Invariant: what is no number or no time is shown as a dash, never as "NaN" or "undefined".

const NONE = "\u2013";
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const hundredths = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A count: `12,345`. */
export function count(value) {
  return isNumber(value) ? whole.format(value) : NONE;
}

/** A count with its noun: `1 document`, `2 documents`. */
export function counted(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** A rate: tenths as long as they say something. */
export function rate(value) {
  if (!isNumber(value)) return NONE;
  return value < 100 ? tenths.format(value) : whole.format(value);
}

/** A score: `0.83`. */
export function score(value) {
  return isNumber(value) ? hundredths.format(value) : NONE;
}

/** Seconds: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 3 min`, `4 d 1 h`. */
export function duration(seconds) {
  if (!isNumber(seconds)) return NONE;
  if (seconds === 0) return "0 s";
  if (seconds < 9.95) return `${tenths.format(seconds)} s`;
  let rest = Math.round(seconds);
  const at = UNITS.findIndex(([, length]) => rest >= length);
  const said = [];
  for (const [unit, length] of UNITS.slice(at, at + 2)) {
    const times = Math.floor(rest / length);
    rest -= times * length;
    if (times > 0) said.push(`${times} ${unit}`);
  }
  return said.join(" ");
}

/** How long ago a moment is, roughly: `12 s ago`, `3 min ago`. */
export function ago(moment, now = Date.now()) {
  const at = Date.parse(moment);
  if (Number.isNaN(at)) return NONE;
  const seconds = (now - at) / 1000;
  // The clocks of server and visitor may differ.
  if (seconds < 1) return "just now";
  const [unit, length] = UNITS.find(([, length]) => seconds >= length);
  return `${Math.floor(seconds / length)} ${unit} ago`;
}

/** The time of a day, of the visitor's: `14:03:22`. */
export function clock(moment) {
  const at = new Date(moment);
  return Number.isNaN(at.getTime()) ? NONE : at.toLocaleTimeString("en-GB");
}

/** Words instead of a name with underscores. */
export function words(name) {
  return String(name ?? NONE).replaceAll("_", " ");
}

/** No more than so many characters. */
export function short(text, most) {
  const letters = Array.from(String(text));
  return letters.length <= most ? letters.join("") : `${letters.slice(0, most - 1).join("")}\u2026`;
}
