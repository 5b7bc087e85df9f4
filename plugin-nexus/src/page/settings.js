// Settings that were changed and count only after a restart.

import { byId, el, list, say, show } from "./dom.js";

/** Shows the settings. */
export function showSettings({ config, overrides, restart_needed: keys }) {
  const value = (key) => key.split(".").reduce((part, name) => part?.[name], config);
  list(byId("restart"), keys, (key) => key, (key) => el("li", null, el("code", null, key), el("span", null)), (node, key) => {
    const wanted = value(key);
    say(node.lastElementChild, wanted === undefined ? "" : JSON.stringify(wanted));
  });
  show(byId("restart-note"), keys.length > 0);
  show(byId("restart-none"), keys.length === 0);
  const set = Object.keys(overrides.environment);
  say(byId("environment"), set.length > 0 ? `Set by the environment: ${set.join(", ")}.` : "");
}
