// Requests to the API of the server that the page came from.
//
// Invariants: addresses are relative to the page, so that they are right behind a proxy that adds to the path, too; the key is kept for
// this tab only (sessionStorage), goes into one header, and nowhere else.

const KEY = "nexus.key";
const PATIENCE_MS = 15000;

/** Where the routes of the sync are. */
export const SYNC = "../../api/v1/sync/nexus/";
/** Where all routes are. */
export const ROOT = "../../";

/** Why a request was not answered as it should. `status` is 0 where there was no answer. */
export class ApiError extends Error {
  constructor(status, type, message, retryAfter = 0) {
    super(message);
    this.status = status;
    this.type = type;
    this.retryAfter = retryAfter;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value === "" ? sessionStorage.removeItem(KEY) : sessionStorage.setItem(KEY, value)),
};

/** A part of a path or a query, as it stands in an address. */
export const part = encodeURIComponent;

async function send(method, address, body) {
  const headers = { accept: "application/json" };
  if (key.get() !== "") headers["x-api-key"] = key.get();
  if (body !== undefined) headers["content-type"] = "application/json";
  const request = {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
    signal: AbortSignal.timeout(PATIENCE_MS),
  };
  let answer;
  try {
    answer = await fetch(address, request);
  } catch (error) {
    const late = error.name === "TimeoutError";
    const why = late ? `no answer within ${PATIENCE_MS / 1000} s` : "the server cannot be reached";
    throw new ApiError(0, "unreachable", why);
  }
  const read = await answer.json().catch(() => null);
  return { status: answer.status, body: read, retryAfter: Number(answer.headers.get("retry-after")) || 0 };
}

/** A request whose answer is JSON. Another status than 200 and 202 is an error, unless `also` has it. */
export async function ask(method, address, body, also = []) {
  const answer = await send(method, address, body);
  const isRight = [200, 202].includes(answer.status) || (also.includes(answer.status) && !answer.body?.error_type);
  if (isRight && answer.body !== null) return answer.body;
  const message = answer.body?.message ?? `the server answered with status ${answer.status}`;
  throw new ApiError(answer.status, answer.body?.error_type ?? "unknown", message, answer.retryAfter);
}

/** What a route of the sync tells. */
export const get = (path, also) => ask("GET", SYNC + path, undefined, also);
/** Has a route of the sync do something. */
export const post = (path, body) => ask("POST", SYNC + path, body);
