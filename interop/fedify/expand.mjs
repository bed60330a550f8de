// Reads one JSON document a line from standard input and writes what Fedify's JSON-LD processor makes of it, expanded,
// one a line. Contexts that Fedify does not bring along are not fetched: they are an error.
import { createInterface } from "node:readline";
import { preloadedContexts } from "@fedify/vocab-runtime";
import jsonld from "@fedify/vocab-runtime/jsonld";

const documentLoader = async (url) => {
  const document = preloadedContexts[url];
  if (document == null) throw new Error(`a context that Fedify would have to fetch: ${url}`);
  return { contextUrl: null, documentUrl: url, document };
};

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify({ expanded: await jsonld.expand(JSON.parse(line), { documentLoader, keepFreeFloatingNodes: true }) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
