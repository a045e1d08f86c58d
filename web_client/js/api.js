// Requests to the server. Every failure becomes an Error with `message` and `hint` in plain words.

export class ServerError extends Error {
  constructor(message, hint = "", status = 0) {
    super(message);
    this.hint = hint;
    this.status = status;
  }
}

export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ServerError("The engine does not answer.", "Is it still running? Start it again with “live serve”.");
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    // not JSON: the status says enough
  }
  if (!response.ok) {
    throw new ServerError(body?.error ?? `The engine answered with ${response.status}.`, body?.hint ?? "", response.status);
  }
  return body;
}

export const postJson = (path, body) =>
  request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
