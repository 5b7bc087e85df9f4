// Has the server do something, and tells what came of it.

import { done, failed } from "./notices.js";

let refresh = () => {};

/** What is to be done after each change, so that it shows at once. */
export function afterChanges(call) {
  refresh = call;
}

/** Does something, tells what came of it, and has it shown. `told` makes the message of the answer; the API's is the default. */
export async function act(call, told = (answer) => answer.message ?? "Done.") {
  try {
    const message = told(await call());
    done(sentence(message));
  } catch (error) {
    failed(sentence(error.message));
  }
  refresh();
}

function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
