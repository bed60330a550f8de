// The control API: what a test can make the peer do. Each verb takes and returns plain JSON.
import { signRequest } from "@fedify/fedify";
import {
  Accept,
  Announce,
  Create,
  Delete,
  Document,
  Follow,
  Hashtag,
  isActor,
  Like,
  Mention,
  Note,
  PUBLIC_COLLECTION,
  Reject,
  Tombstone,
  Undo,
  Update,
} from "@fedify/vocab";
import { getDocumentLoader } from "@fedify/vocab-runtime";
import { name, now, recipient, specs } from "./peer.mjs";
import { describe } from "./reading.mjs";

// Refusal is an error of the caller's: it becomes the status and the text of the answer.
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

export class Control {
  #peer;
  // Fedify's own loader remembers documents for five minutes, and a test wants to see what is there now.
  #loader = getDocumentLoader({ allowPrivateAddress: true });

  constructor(peer) {
    this.#peer = peer;
  }

  // state tells who the peer is and what it remembers.
  async state() {
    const peer = this.#peer;
    const context = peer.context();
    const keys = await peer.keyPairs();
    return {
      origin: peer.origin,
      actor: context.getActorUri(name).href,
      inbox: context.getInboxUri(name).href,
      sharedInbox: context.getInboxUri().href,
      keyIDs: keys.map((key) => key.keyId.href),
      firstKnock: peer.spec,
      node: process.version,
      followers: [...peer.followers.keys()],
      following: [...peer.following],
      requests: [...peer.requests.keys()],
    };
  }

  // firstknock chooses how requests are signed until the other side asks for something else.
  async firstknock({ spec }) {
    if (!specs.includes(spec)) throw new Refusal(400, `spec is one of ${specs.join(", ")}`);
    await this.#peer.knockFirst(spec);
    return { firstKnock: spec };
  }

  // answer says what happens to the next Follow: accept, reject or wait.
  answer({ mode }) {
    if (!["accept", "reject", "wait"].includes(mode)) throw new Refusal(400, "mode is one of accept, reject, wait");
    this.#peer.answer = mode;
    return { mode };
  }

  // drain waits until everything was sent and every inbox listener has run.
  async drain() {
    await this.#peer.idle();
    return {};
  }

  // lookup finds an actor or object by handle or id, with a signature of fred's if asked to.
  async lookup({ handle, id, signed }) {
    const object = await this.#find(handle ?? id, signed === true);
    return { found: await describe(object, this.#loaders()) };
  }

  async follow({ id }) {
    const actor = await this.#actor(id);
    const follow = new Follow({ id: this.#peer.activityID(), actor: this.#me(), object: actor.id, to: actor.id });
    return await this.#peer.send(follow, [actor]);
  }

  async accept({ id }) {
    return await this.#peer.settle(this.#request(id), Accept);
  }

  async reject({ id }) {
    return await this.#peer.settle(this.#request(id), Reject);
  }

  // post publishes a note. to: public, unlisted, followers or direct; mention: actor ids; hashtag: names without "#";
  // image: the description of an attached picture.
  async post({ content = "", to = "public", mention = [], hashtag = [], summary, image, inReplyTo }) {
    const peer = this.#peer;
    const path = crypto.randomUUID();
    const id = new URL(`/notes/${path}`, peer.origin);
    const actors = await Promise.all(mention.map((actor) => this.#actor(actor)));
    const mentions = actors.map((actor) => new Mention({ href: actor.id, name: `@${actor.preferredUsername}@${actor.id.host}` }));
    const hashtags = hashtag.map((tag) => new Hashtag({ href: new URL(`/tags/${tag}`, peer.origin), name: `#${tag}` }));
    const links = [...mentions, ...hashtags].map((tag) => ` <a href="${escape(tag.href.href)}">${escape(tag.name)}</a>`);
    const audience = this.#audience(to, actors);
    const note = new Note({
      id,
      attribution: this.#me(),
      content: `<p>${escape(content)}${links.join("")}</p>`,
      summary,
      sensitive: summary !== undefined,
      replyTarget: inReplyTo === undefined ? undefined : new URL(inReplyTo),
      url: id,
      published: now(),
      tags: [...mentions, ...hashtags],
      attachments: image === undefined ? [] : [new Document({ mediaType: "image/png", url: new URL("/media/pixel.png", peer.origin), name: image, width: 1, height: 1 })],
      ...audience,
    });
    const recipients = [...(to === "direct" ? [] : peer.followers.values()), ...actors.map(recipient)];
    peer.posts.set(path, { note, recipients, shared: to !== "direct" });
    const create = new Create({ id: new URL("#create", id), actor: this.#me(), object: note, published: note.published, ...audience });
    return { note: id.href, ...(await peer.send(create, recipients, { sharedInbox: to !== "direct" })) };
  }

  // reply answers a post of anyone's, whose author is mentioned.
  async reply({ id, ...rest }) {
    const { object, author } = await this.#authored(id);
    return await this.post({ ...rest, inReplyTo: object.id.href, mention: [...new Set([...(rest.mention ?? []), author.id.href])] });
  }

  async like({ id }) {
    const { object, author } = await this.#authored(id);
    return await this.#peer.send(new Like({ id: this.#peer.activityID(), actor: this.#me(), object: object.id, to: author.id }), [author]);
  }

  async announce({ id }) {
    const { object, author } = await this.#authored(id);
    const announce = new Announce({ id: this.#peer.activityID(), actor: this.#me(), object: object.id, published: now(), ...this.#audience("public", [author]) });
    return await this.#peer.send(announce, [...this.#peer.followers.values(), recipient(author)], { sharedInbox: true });
  }

  // update replaces the text of a post of fred's.
  async update({ id, content = "" }) {
    const { path, post } = this.#own(id);
    const note = post.note.clone({ contents: [`<p>${escape(content)}</p>`], updated: now() });
    this.#peer.posts.set(path, { ...post, note });
    const update = new Update({ id: new URL(`#update-${crypto.randomUUID()}`, note.id), actor: this.#me(), object: note, updated: note.updated, tos: note.toIds, ccs: note.ccIds });
    return await this.#peer.send(update, post.recipients, { sharedInbox: post.shared });
  }

  // delete leaves a tombstone of a post of fred's.
  async delete({ id }) {
    const { path, post } = this.#own(id);
    this.#peer.posts.delete(path);
    this.#peer.tombstones.set(path, now().toString());
    const object = new Tombstone({ id: post.note.id });
    const activity = new Delete({ id: new URL("#delete", post.note.id), actor: this.#me(), object, tos: post.note.toIds, ccs: post.note.ccIds });
    return await this.#peer.send(activity, post.recipients, { sharedInbox: post.shared });
  }

  // undo takes back any activity that was sent, by its id.
  async undo({ id }) {
    const sent = this.#peer.sent.get(id);
    if (sent === undefined) throw new Refusal(404, `nothing was sent as ${id}`);
    if (sent.activity instanceof Follow) this.#peer.following.delete(sent.activity.objectId.href);
    const undo = new Undo({ id: this.#peer.activityID(), actor: this.#me(), object: sent.activity, tos: sent.activity.toIds, ccs: sent.activity.ccIds });
    return await this.#peer.send(undo, sent.recipients);
  }

  // forge signs a Like of fred's as the spec says, breaks it and posts it once, without Fedify's second try.
  // broken: nothing; body: another body; both: another body whose digest fits; path: the same bytes at the URL in "at";
  // actor: somebody else's activity, which "as" names; old: signed two hours and a second ago.
  async forge({ inbox, object, spec = specs[0], broken = "nothing", at, as }) {
    if (!specs.includes(spec)) throw new Refusal(400, `spec is one of ${specs.join(", ")}`);
    const forgeries = { nothing: {}, body: { body: true }, both: { body: true, digest: true }, path: { url: at }, actor: { actor: as }, old: { age: 7201 } };
    const forgery = Object.hasOwn(forgeries, broken) ? forgeries[broken] : undefined;
    if (forgery === undefined) throw new Refusal(400, `broken is one of ${Object.keys(forgeries).join(", ")}`);
    if (broken === "path" && !URL.canParse(at)) throw new Refusal(400, "at is the URL to post to");
    if (broken === "actor" && !URL.canParse(as)) throw new Refusal(400, "as is the id of the actor to act as");
    const activity = {
      "@context": "https://www.w3.org/ns/activitystreams",
      id: this.#peer.activityID().href,
      type: "Like",
      actor: forgery.actor ?? this.#me().href,
      object,
    };
    const [rsa] = await this.#peer.keyPairs();
    const request = new Request(inbox, { method: "POST", headers: { "Content-Type": "application/activity+json" }, body: JSON.stringify(activity) });
    const signed = await signRequest(request, rsa.privateKey, rsa.keyId, { spec, currentTime: now().subtract({ seconds: forgery.age ?? 0 }) });
    const headers = new Headers(signed.headers);
    const body = forgery.body ? JSON.stringify({ ...activity, content: "changed on the way" }) : await signed.text();
    if (forgery.digest) {
      const digest = Buffer.from(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(body))).toString("base64");
      if (spec === "rfc9421") headers.set("Content-Digest", `sha-256=:${digest}:`);
      else headers.set("Digest", `SHA-256=${digest}`);
    }
    const response = await fetch(forgery.url ?? inbox, { method: "POST", headers, body, redirect: "manual" });
    return { id: activity.id, status: response.status, answer: (await response.text()).slice(0, 1024) };
  }

  #me() {
    return this.#peer.context().getActorUri(name);
  }

  #loaders() {
    const { contextLoader } = this.#peer.context();
    return { documentLoader: this.#loader, contextLoader };
  }

  async #find(what, signed) {
    if (typeof what !== "string" || what === "") throw new Refusal(400, "handle or id is missing");
    const context = this.#peer.context();
    const documentLoader = signed ? await context.getDocumentLoader({ identifier: name }) : this.#loader;
    let object;
    try {
      object = await context.lookupObject(what, { documentLoader });
    } catch (error) {
      throw new Refusal(502, `looking up ${what}: ${error.cause ?? error}`);
    }
    if (object === null) throw new Refusal(404, `Fedify finds nothing at ${what}`);
    return object;
  }

  async #actor(id) {
    const actor = await this.#find(id, true);
    if (!isActor(actor) || actor.inboxId == null) throw new Refusal(422, `${id} is not an actor with an inbox`);
    return actor;
  }

  async #authored(id) {
    const object = await this.#find(id, true);
    if (object.attributionId == null) throw new Refusal(422, `${id} has no author`);
    return { object, author: await this.#actor(object.attributionId.href) };
  }

  #own(id) {
    const path = String(id).slice(`${this.#peer.origin}/notes/`.length);
    const post = this.#peer.posts.get(path);
    if (post?.note.id.href !== id) throw new Refusal(404, `${id} is no post of ${name}'s`);
    return { path, post };
  }

  #request(id) {
    const follow = this.#peer.requests.get(id);
    if (follow === undefined) throw new Refusal(404, `no Follow ${id} waits`);
    return follow;
  }

  #audience(to, actors) {
    const followers = this.#peer.context().getFollowersUri(name);
    const named = actors.map((actor) => actor.id);
    switch (to) {
      case "public":
        return { tos: [PUBLIC_COLLECTION], ccs: [followers, ...named] };
      case "unlisted":
        return { tos: [followers], ccs: [PUBLIC_COLLECTION, ...named] };
      case "followers":
        return { tos: [followers, ...named], ccs: [] };
      case "direct":
        return { tos: named, ccs: [] };
      default:
        throw new Refusal(400, "to is one of public, unlisted, followers, direct");
    }
  }
}
