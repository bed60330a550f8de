// What Fedify finds elsewhere, through its own functions: the reading half of the control API.
import { parseNodeInfo, verifyJsonLd, verifyObject } from "@fedify/fedify";
import { Activity, Collection, isActor } from "@fedify/vocab";
import { getDocumentLoader } from "@fedify/vocab-runtime";
import { name } from "./peer.mjs";
import { describe } from "./reading.mjs";
import { Refusal } from "./refusal.mjs";

const maxItems = 500; // of a collection that is walked

export class Looking {
  #peer;
  // Fedify's own loader remembers documents for five minutes, and a test wants to see what is there now.
  #loader = getDocumentLoader({ allowPrivateAddress: true });

  constructor(peer) {
    this.#peer = peer;
  }

  // lookup finds an actor or object by handle or id, with a signature of fred's if asked to.
  async lookup({ handle, id, signed }) {
    const object = await this.find(handle ?? id, signed === true);
    return { found: await describe(object, this.#loaders()) };
  }

  // webfinger returns what a server says of a handle or a URL.
  async webfinger({ id }) {
    const found = await this.#peer.context().lookupWebFinger(id);
    if (found === null) throw new Refusal(404, `Fedify finds no ${id}`);
    return found;
  }

  // nodeinfo returns what a server says of itself, as Fedify's strict reader understands it. Fedify's lookupNodeInfo asks no
  // private address, not even where allowPrivateAddress is set, so the documents are fetched here.
  async nodeinfo({ id }) {
    const get = async (url) => {
      const response = await fetch(url, { headers: { Accept: "application/json" }, redirect: "error" });
      if (!response.ok) throw new Refusal(404, `NodeInfo at ${url}: ${response.status}`);
      return await response.json();
    };
    const index = await get(new URL("/.well-known/nodeinfo", id));
    const link = index.links?.find((link) => link.rel === "http://nodeinfo.diaspora.software/ns/schema/2.1");
    if (link === undefined) throw new Refusal(404, `${id} has no NodeInfo 2.1`);
    const understood = parseNodeInfo(await get(link.href));
    if (understood === null) throw new Refusal(422, `Fedify cannot read the NodeInfo of ${id}`);
    return understood;
  }

  // traverse walks a collection over all its pages, signed as fred if asked to.
  async traverse({ id, signed }) {
    const collection = await this.find(id, signed === true);
    if (!(collection instanceof Collection)) throw new Refusal(422, `${id} is not a collection`);
    const context = this.#peer.context();
    const items = [];
    for await (const item of context.traverseCollection(collection, { documentLoader: await this.#loaderFor(signed === true) })) {
      items.push({ id: item.id?.href ?? "", type: item.constructor.name, objectID: item.objectId?.href ?? "" });
      if (items.length > maxItems) throw new Refusal(422, `${id} has over ${maxItems} items`);
    }
    return { type: collection.constructor.name, totalItems: collection.totalItems ?? -1, items };
  }

  // believe tells which of what a document carries proves whose it is. Its signature comes off before the proof is looked at.
  async believe({ document }) {
    const { signature, ...rest } = document;
    const ld = signature !== undefined && (await verifyJsonLd(document, this.#loaders()));
    const proof = rest.proof !== undefined && (await verifyObject(Activity, rest, this.#loaders())) !== null;
    return { ld, proof };
  }

  async find(what, signed) {
    if (typeof what !== "string" || what === "") throw new Refusal(400, "handle or id is missing");
    let object;
    try {
      object = await this.#peer.context().lookupObject(what, { documentLoader: await this.#loaderFor(signed) });
    } catch (error) {
      throw new Refusal(502, `looking up ${what}: ${error.cause ?? error}`);
    }
    if (object === null) throw new Refusal(404, `Fedify finds nothing at ${what}`);
    return object;
  }

  async actor(id) {
    const actor = await this.find(id, true);
    if (!isActor(actor) || actor.inboxId == null) throw new Refusal(422, `${id} is not an actor with an inbox`);
    return actor;
  }

  async authored(id) {
    const object = await this.find(id, true);
    if (object.attributionId == null) throw new Refusal(422, `${id} has no author`);
    return { object, author: await this.actor(object.attributionId.href) };
  }

  async #loaderFor(signed) {
    return signed ? await this.#peer.context().getDocumentLoader({ identifier: name }) : this.#loader;
  }

  #loaders() {
    const { contextLoader } = this.#peer.context();
    return { documentLoader: this.#loader, contextLoader };
  }
}
