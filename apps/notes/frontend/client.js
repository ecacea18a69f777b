// The API's client: every answer is {status, etag, cache, data}; every failure is an ApiError.

export class ApiError extends Error {
  constructor(status, message, fields = {}, etag = null) {
    super(message);
    Object.assign(this, { status, fields, etag });
  }
}

const listeners = [];

/** Calls `listener` with each Response that comes back. */
export function onAnswer(listener) {
  listeners.push(listener);
}

async function call(method, path, { etag, data, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (etag) headers["If-Match"] = etag;
  if (data) headers["Content-Type"] = "application/json";
  let response;
  try {
    const body = data && JSON.stringify(data);
    response = await fetch(path, { method, headers, body, signal, cache: "no-cache" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The notes cannot be reached. Check your connection.");
  }
  listeners.forEach((listener) => listener(response));
  const text = await response.text();
  let parsed = null;
  try {
    parsed = text && JSON.parse(text);
  } catch {
    // A load balancer's own error page: the status says enough.
  }
  if (!response.ok) throw failure(response, parsed);
  return { status: response.status, etag: response.headers.get("ETag"), data: parsed };
}

function failure(response, problem) {
  const fields = {};
  for (const { field, message } of problem?.errors ?? []) {
    const name = field.replace(/\[.*/, "");
    fields[name] = fields[name] ? `${fields[name]}; ${message}` : message;
  }
  const known = {
    404: "This note does not exist any more.",
    429: `Too many requests. Try again in ${response.headers.get("Retry-After") ?? "a few"} seconds.`,
    502: "The service is not available right now.",
    503: "The service is not available right now.",
    504: "The service took too long to answer.",
  };
  const message = known[response.status] ?? problem?.detail ?? `The service answered ${response.status}.`;
  return new ApiError(response.status, message, fields, response.headers.get("ETag"));
}

export const list = (q, cursor, signal) => {
  const query = new URLSearchParams({ limit: "24" });
  if (q) query.set("q", q);
  if (cursor) query.set("cursor", cursor);
  return call("GET", `/api/notes?${query}`, { signal });
};
export const read = (id) => call("GET", `/api/notes/${id}`);
export const create = (data) => call("POST", "/api/notes", { data });
export const replace = (id, etag, data) => call("PUT", `/api/notes/${id}`, { etag, data });
export const remove = (id, etag) => call("DELETE", `/api/notes/${id}`, { etag });
export const info = () => call("GET", "/api/info");
