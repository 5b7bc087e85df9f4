// The status page: asks the API every two seconds, and has each part show what is its.
//
// Invariants: nothing is asked while nobody looks (the page is hidden) or nobody is known (the key is missing or wrong); questions do
// not pile up, since the next ones wait for the last; a part whose question failed keeps what it showed, and says why.

import * as access from "./access.js";
import { afterChanges } from "./actions.js";
import { get } from "./api.js";
import * as capabilities from "./capabilities.js";
import * as collections from "./collections.js";
import * as deadLetters from "./dead_letters.js";
import * as dialog from "./dialog.js";
import { byId, say, show } from "./dom.js";
import * as explorer from "./explorer.js";
import * as jobs from "./jobs.js";
import * as overview from "./overview.js";
import * as series from "./series.js";
import * as settings from "./settings.js";

const PERIOD_MS = 2000;

// What is asked, in every how many rounds, who shows it, and where it is told that it failed.
const QUESTIONS = [
  { ask: () => get("status"), every: 1, shown: [overview.showStatus, collections.showStatus], trouble: null },
  // Broken is an answer, too.
  { ask: () => get("health", [503]), every: 1, shown: [overview.showHealth], trouble: "checks-trouble" },
  { ask: () => get("jobs?limit=12"), every: 1, shown: [jobs.showJobs], trouble: "jobs-trouble" },
  { ask: deadLetters.load, every: 1, shown: [deadLetters.showPage], trouble: "dead-trouble" },
  { ask: () => get("capabilities"), every: 10, shown: [capabilities.showReport], trouble: "capabilities-trouble" },
  { ask: () => get("config"), every: 5, shown: [settings.showSettings], trouble: "settings-trouble" },
];

let round = 0;
let timer = null;
let running = false;
let again = false;
// Answers to those who had another key are not shown.
let visit = 0;
let seenAt = null;

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  if (running) {
    again = true;
    return;
  }
  running = true;
  again = false;
  const [now, mine] = [round, visit];
  round += 1;
  const due = QUESTIONS.filter(({ every }) => now % every === 0);
  const answers = await Promise.allSettled([access.find(), ...due.map(({ ask }) => ask())]);
  running = false;
  let wait = PERIOD_MS;
  if (mine === visit) wait = showAnswers(due, answers.slice(1));
  if (again || mine !== visit) refresh();
  else if (wait !== null) timer = setTimeout(refresh, wait);
}

/** Shows answers; says when to ask next, or null where that makes no sense. */
function showAnswers(due, answers) {
  let trouble = null;
  let wait = PERIOD_MS;
  for (const [at, { shown, trouble: place, every }] of due.entries()) {
    const { value, reason: error } = answers[at];
    if (error?.status === 401) {
      access.demand();
      overview.showFreshness(seenAt, "");
      return null;
    }
    if (error) {
      if (place === null) trouble = `The status cannot be read: ${error.message}.`;
      wait = Math.max(wait, error.retryAfter * 1000);
      // What is asked seldom is asked again soon.
      if (every > 1) round = 0;
    } else {
      for (const part of shown) part(value);
      if (place === null) seenAt = Date.now();
    }
    if (place !== null) {
      say(byId(place), error ? error.message : "");
      show(byId(place), Boolean(error));
    }
  }
  show(byId("main"), seenAt !== null);
  overview.showFreshness(seenAt, trouble);
  access.apply();
  return wait;
}

/** Asks for everything now. */
function refreshAll() {
  round = 0;
  refresh();
}

/** Begins anew for another visitor. */
function renew() {
  visit += 1;
  seenAt = null;
  series.clear();
  explorer.clear();
  show(byId("main"), false);
  refreshAll();
}

access.begin(renew);
dialog.begin();
overview.begin();
jobs.begin();
deadLetters.begin(refresh);
explorer.begin();
afterChanges(refreshAll);
document.addEventListener("visibilitychange", () => refresh());
window.addEventListener("pagehide", series.keep);
refreshAll();
