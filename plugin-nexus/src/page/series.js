// What was seen over the last 15 minutes: how many documents wait, for how long, and how many are written a second.
//
// Invariants: memory is bounded; where nothing was looked at (the page was hidden, the server away) there is a gap and no line is made
// up; samples outlive a reload of the page, in this tab.

const KEEP_MS = 15 * 60 * 1000;
// Samples that are farther apart have a gap between them.
export const GAP_MS = 10 * 1000;
const STORE = "nexus.samples";

let samples = restore();

function restore() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORE) ?? "[]");
    const isSample = (one) => Array.isArray(one) && one.length === 4 && one.every(Number.isFinite);
    return Array.isArray(stored) ? stored.filter(isSample) : [];
  } catch {
    return [];
  }
}

/** Takes in a status. */
export function add(status, at = Date.now()) {
  // A clock that was set back would make the line run backwards.
  samples = samples.filter(([then]) => then > at - KEEP_MS && then < at);
  samples.push([at, status.queue_depth, status.queue_oldest_seconds, status.total_synced]);
}

/** Forgets all: they were of another server, or for other eyes. */
export function clear() {
  samples = [];
  sessionStorage.removeItem(STORE);
}

/** Keeps them over a reload. */
export function keep() {
  try {
    sessionStorage.setItem(STORE, JSON.stringify(samples));
  } catch {
    // Without room the history begins anew.
  }
}

const points = (value) => samples.map((sample, at) => ({ at: sample[0], value: value(sample, samples[at - 1]) }));

/** Documents that wait or are at work. */
export const depth = () => points((sample) => sample[1]);
/** The age of the oldest of them, in seconds. */
export const lag = () => points((sample) => sample[2]);

/** Documents written a second since the sample before; null behind a gap or a restart. */
export const synced = () =>
  points((sample, before) => {
    if (before === undefined || sample[0] - before[0] > GAP_MS || sample[3] < before[3]) return null;
    return ((sample[3] - before[3]) * 1000) / (sample[0] - before[0]);
  });

/** The span that is kept, in milliseconds. */
export const SPAN_MS = KEEP_MS;
