// A Journal numbers what is put into it from 1 and keeps the latest entries.
export class Journal {
  #entries = [];
  #last = 0;

  constructor(limit) {
    this.limit = limit;
  }

  // add keeps the entry and returns it; its number is in n.
  add(entry) {
    const kept = Object.assign(entry, { n: ++this.#last });
    this.#entries.push(kept);
    if (this.#entries.length > this.limit) this.#entries.shift();
    return kept;
  }

  // after returns what was added later than number n, oldest first.
  after(n) {
    return this.#entries.filter((entry) => entry.n > n);
  }
}

// Bodies are noted up to this many characters; what is noted serves a reader, not a program.
const maxNoted = 65536;

// note turns an HTTP request into a journal entry whose status is still open.
export function note(direction, request, body) {
  let activity = {};
  try {
    const document = JSON.parse(body);
    if (document !== null && typeof document === "object") activity = document;
  } catch {
    // Not every body is JSON.
  }
  return {
    direction,
    at: new Date().toISOString(),
    method: request.method,
    url: request.url,
    status: 0,
    scheme: scheme(request.headers),
    headers: Object.fromEntries(request.headers),
    activity: typeof activity.id === "string" ? activity.id : "",
    type: typeof activity.type === "string" ? activity.type : "",
    body: body.slice(0, maxNoted),
  };
}

// scheme names the way in which a request is signed, by the header that only that way has.
function scheme(headers) {
  if (headers.has("Signature-Input")) return "rfc9421";
  if (headers.has("Signature")) return "draft-cavage-http-signatures-12";
  return "";
}

// watchFetch makes every request that leaves this process through fetch appear in the journal.
// Fedify looks the global up on each call.
export function watchFetch(journal) {
  const real = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    const body = request.body === null ? "" : await request.clone().text();
    const entry = journal.add(note("out", request, body));
    try {
      const response = await real(request);
      entry.status = response.status;
      return response;
    } catch (error) {
      entry.error = String(error.cause ?? error);
      throw error;
    }
  };
}
