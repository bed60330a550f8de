// A Fedify server on loopback that a test drives. It ends when its standard input does.
//
// FEDIFY_CERT, FEDIFY_KEY   files with the certificate and key of FEDIFY_HOST, in PEM
// FEDIFY_HOST               the name in its URLs; "localhost" if unset
// FEDIFY_PORT               its port; 0, any free one, if unset
// FEDIFY_CONTROL_PORT       the port of the control API; 0 if unset
// NODE_EXTRA_CA_CERTS       Node's own: a file with the authority that signed the certificates of both sides
//
// When it listens it prints one line: "ready" and the two addresses as JSON. Fedify's log goes to standard error.
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { Readable } from "node:stream";
import { inspect } from "node:util";
import { configure } from "@logtape/logtape";
import { Control } from "./control.mjs";
import { Quoting } from "./quoting.mjs";
import { Journal, note, watchFetch } from "./journal.mjs";
import { Looking } from "./looking.mjs";
import { Peer } from "./peer.mjs";
import { Refusal } from "./refusal.mjs";

const loopback = "127.0.0.1";
const maxBody = 1 << 20;
const pixel = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

process.stdin.on("end", () => process.exit(0)).on("error", () => process.exit(0)).resume();

await configure({
  sinks: {
    stderr: ({ level, category, message, properties }) => {
      const text = message.map((part, i) => (i % 2 === 0 ? part : shown(part))).join("");
      const details = level === "error" || level === "warning" ? ` ${shown(properties)}` : ""; // why a signature failed is only there
      process.stderr.write(`${level} ${category.join(".")}: ${text}${details}\n`);
    },
  },
  loggers: [
    { category: "fedify", lowestLevel: "debug", sinks: ["stderr"] },
    { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
  ],
});

// verbs are what the test may call.
const verbs = new Map([
  [Looking, ["lookup", "webfinger", "nodeinfo", "traverse", "believe"]],
  [Control, [
    "firstknock", "answer", "strict", "rotate", "rename", "alias", "move", "leave", "drain", "follow", "accept", "reject", "dismiss", "post", "reply",
    "like", "react", "announce", "vote", "tally", "pin", "unpin", "block", "flag", "update", "delete", "undo", "forge",
  ]],
  [Quoting, ["quotable", "quote", "stamp", "grant", "revoke", "authorization"]],
]);

const exchanges = new Journal(1000);
watchFetch(exchanges);

const tls = { cert: readFileSync(needed("FEDIFY_CERT")), key: readFileSync(needed("FEDIFY_KEY")) };
let peer;
let control;
let looking;
let quoting;
const front = https.createServer(tls, (incoming, outgoing) => answer(outgoing, () => serve(incoming)));
const back = http.createServer((incoming, outgoing) => answer(outgoing, () => command(incoming)));

const port = await listen(front, process.env.FEDIFY_PORT);
peer = await Peer.create(`https://${process.env.FEDIFY_HOST ?? "localhost"}:${port}`);
looking = new Looking(peer);
control = new Control(peer, looking);
quoting = new Quoting(peer, looking);
const controlPort = await listen(back, process.env.FEDIFY_CONTROL_PORT);
console.log(`ready ${JSON.stringify({ origin: peer.origin, control: `http://${loopback}:${controlPort}` })}`);

function shown(value) {
  return inspect(value, { breakLength: Infinity, depth: 4, maxStringLength: 500 });
}

function needed(variable) {
  const value = process.env[variable];
  if (value) return value;
  console.error(`${variable} is not set`);
  process.exit(2);
}

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(Number(port ?? 0), loopback, () => resolve(server.address().port));
  });
}

// answer writes the Response that handle returns or, if it throws, one that says so.
async function answer(outgoing, handle) {
  let response;
  try {
    response = await handle();
  } catch (error) {
    const status = error instanceof Refusal ? error.status : 500;
    if (status === 500) console.error(error);
    response = Response.json({ error: String(error.message ?? error) }, { status });
  }
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body === null) outgoing.end();
  else Readable.fromWeb(response.body).on("error", (error) => outgoing.destroy(error)).pipe(outgoing);
}

// serve answers the fediverse.
async function serve(incoming) {
  if (peer === undefined) throw new Refusal(503, "not ready");
  const body = await read(incoming);
  const headers = new Headers();
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) headers.append(incoming.rawHeaders[i], incoming.rawHeaders[i + 1]);
  if (!incoming.url.startsWith("/")) throw new Refusal(400, "the target is not a path");
  const bodiless = incoming.method === "GET" || incoming.method === "HEAD";
  const request = new Request(peer.origin + incoming.url, { method: incoming.method, headers, body: bodiless ? undefined : body });
  const entry = exchanges.add(note("in", request, body.toString()));
  let response;
  try {
    response = page(request) ?? (await peer.fetch(request));
  } catch (error) {
    entry.status = 500;
    throw error;
  }
  entry.status = response.status;
  return response;
}

// page answers what a browser would ask for.
function page(request) {
  switch (new URL(request.url).pathname) {
    case "/media/pixel.png":
      return new Response(pixel, { headers: { "Content-Type": "image/png" } });
    case "/@fred":
      return new Response(`<!doctype html><title>Fred</title><link rel="alternate" type="application/activity+json" href="${peer.origin}/users/fred">`, { headers: { "Content-Type": "text/html; charset=utf-8" } });
  }
}

// command answers the test.
async function command(incoming) {
  const url = new URL(incoming.url, "http://control");
  const verb = url.pathname.slice(1);
  if (incoming.method === "GET") {
    if (verb === "state") return Response.json(await control.state());
    const after = Number(url.searchParams.get("after") ?? 0);
    if (!Number.isSafeInteger(after)) throw new Refusal(400, "after is a number");
    if (verb === "events") return Response.json(peer.events.after(after));
    if (verb === "exchanges") return Response.json(exchanges.after(after));
    throw new Refusal(404, `there is no GET ${url.pathname}`);
  }
  const room = [control, looking, quoting].find((room) => verbs.get(room.constructor).includes(verb));
  if (incoming.method !== "POST" || room === undefined) throw new Refusal(404, `there is no ${incoming.method} ${url.pathname}`);
  const body = await read(incoming);
  let parameters;
  try {
    parameters = JSON.parse(body.length === 0 ? "{}" : body.toString());
  } catch (error) {
    throw new Refusal(400, error.message);
  }
  if (parameters === null || typeof parameters !== "object") throw new Refusal(400, "the parameters are not an object");
  return Response.json(await room[verb](parameters));
}

async function read(incoming) {
  const parts = [];
  let size = 0;
  for await (const part of incoming) {
    size += part.length;
    if (size > maxBody) throw new Refusal(413, `the body is over ${maxBody} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
