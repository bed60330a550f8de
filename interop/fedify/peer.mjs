// The peer: a Fedify server of one actor, fred, kept in memory.
import {
  createExponentialBackoffPolicy,
  createFederation,
  generateCryptoKeyPair,
  InProcessMessageQueue,
  MemoryKvStore,
} from "@fedify/fedify";
import { Accept, Activity, Create, Endpoints, Follow, Image, Link, Note, Person, QuoteAuthorization, Reject, Tombstone, Undo, Update } from "@fedify/vocab";
import { Temporal } from "@js-temporal/polyfill";
import { Journal } from "./journal.mjs";
import { describe } from "./reading.mjs";

export const name = "fred";

const pageSize = 5; // of the outbox

export const specs = ["rfc9421", "draft-cavage-http-signatures-12"];

// Queue is Fedify's own queue, which can also tell whether a handler is still at work.
class Queue extends InProcessMessageQueue {
  #working = 0;

  listen(handler, options) {
    return super.listen(async (message) => {
      this.#working++;
      try {
        await handler(message);
      } finally {
        this.#working--;
      }
    }, options);
  }

  async idle() {
    return this.#working === 0 && (await this.getDepth()).queued === 0;
  }
}

export class Peer {
  events = new Journal(10000);
  followers = new Map(); // actor id → { id, inboxId, endpoints }
  requests = new Map(); // id of a Follow that waits for an answer → Follow
  following = new Set(); // actor ids that accepted
  posts = new Map(); // path id → { note, audience, recipients }
  stamps = new Map(); // path id → QuoteAuthorization
  tombstones = new Map(); // path id → when
  sent = new Map(); // activity id → { activity, recipients, sharedInbox }
  pins = []; // path ids of the featured posts
  answer = "accept"; // what happens to a Follow: accept, reject or wait
  strict = "open"; // who must sign to read: nobody, who reads "objects" and collections, or "actors" too
  title = "Fred of Fedify"; // the name that is shown
  left = null; // when the actor was deleted
  aliases = []; // ids of fred's other accounts
  successor = null; // who takes fred's place, since he has moved

  #kv = new MemoryKvStore();
  #queues = [];
  #federations = new Map();
  #keys;

  static async create(origin) {
    const peer = new Peer();
    peer.origin = origin;
    await peer.rotate();
    for (const spec of specs) peer.#federations.set(spec, peer.#federation(spec));
    peer.spec = specs[0];
    return peer;
  }

  // knockFirst makes the peer sign with spec first, also to the servers that it knows to like another.
  // Fedify keeps its first choice for the life of a federation and what each server liked in the store,
  // so that each choice has a federation and a place in the store; they share all else.
  async knockFirst(spec) {
    await this.idle();
    for await (const { key } of this.#kv.list(["spec", spec])) await this.#kv.delete(key);
    this.spec = spec;
  }

  // rotate gives fred new keys under the ids of the old ones, which are forgotten.
  async rotate() {
    // Fedify's own generator makes RSA keys of 4096 bits; the fediverse has 2048.
    const rsa = { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" };
    this.#keys = [await crypto.subtle.generateKey(rsa, true, ["sign", "verify"]), await generateCryptoKeyPair("Ed25519")];
  }

  // idle returns when nothing waits to be sent or handled, or throws after ten seconds.
  async idle() {
    for (let i = 0; i < 1000; i++) {
      const idle = await Promise.all(this.#queues.map((queue) => queue.idle()));
      if (!idle.includes(false)) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error("the queues did not run empty within 10 seconds");
  }

  fetch(request) {
    const path = new URL(request.url).pathname;
    const deleted = path.startsWith("/notes/") && this.tombstones.get(path.slice("/notes/".length));
    if (deleted) {
      const tombstone = { "@context": "https://www.w3.org/ns/activitystreams", id: this.origin + path, type: "Tombstone", formerType: "Note", deleted };
      return new Response(JSON.stringify(tombstone), { status: 410, headers: { "Content-Type": "application/activity+json" } });
    }
    return this.#federations.get(this.spec).fetch(request, { contextData: undefined });
  }

  context() {
    return this.#federations.get(this.spec).createContext(new URL(this.origin), undefined);
  }

  // me is fred as everyone sees him.
  me() {
    return this.#person(this.context());
  }

  keyPairs() {
    return this.context().getActorKeyPairs(name);
  }

  // send enqueues an activity of fred's and remembers it for a later Undo.
  async send(activity, recipients, { sharedInbox = false } = {}, context = this.context()) {
    const unique = [...new Map(recipients.map((recipient) => [recipient.id.href, recipient])).values()];
    this.sent.set(activity.id.href, { activity, recipients: unique, sharedInbox });
    await context.sendActivity({ identifier: name }, unique, activity, { preferSharedInbox: sharedInbox });
    return { id: activity.id.href, recipients: unique.map((recipient) => recipient.id.href) };
  }

  activityID() {
    return new URL(`/activities/${crypto.randomUUID()}`, this.origin);
  }

  // settle answers a Follow with Accept or Reject. The answer embeds the Follow and, since it was
  // fetched for its inbox, the follower in it: so do most applications of Fedify's. A bare one names its id alone.
  async settle(follow, Answer, context = this.context(), bare = false) {
    this.requests.delete(follow.id.href);
    const follower = await follow.getActor(context);
    if (follower?.id == null || follower.inboxId == null) throw new Error(`${follow.actorId?.href} has no inbox`);
    if (Answer === Accept) this.followers.set(follower.id.href, recipient(follower));
    else this.followers.delete(follower.id.href);
    const answer = new Answer({ id: this.activityID(), actor: context.getActorUri(name), object: bare ? follow.id : follow, to: follower.id });
    return await this.send(answer, [follower], {}, context);
  }

  #federation(spec) {
    const queue = { inbox: new Queue(), outbox: new Queue(), fanout: new Queue() };
    this.#queues.push(...Object.values(queue));
    const federation = createFederation({
      kv: this.#kv,
      kvPrefixes: { httpMessageSignaturesSpec: ["spec", spec] },
      queue,
      origin: this.origin,
      allowPrivateAddress: true,
      firstKnock: spec,
      // Quick enough for a test to see the second attempt; the breaker would hold everything back for half an hour.
      outboxRetryPolicy: createExponentialBackoffPolicy({ initialDelay: { milliseconds: 200 }, maxDelay: { seconds: 2 }, maxAttempts: 8 }),
      circuitBreaker: false,
      onOutboxError: (error, activity) => console.error(`not sent: ${activity?.id?.href}: ${error}`),
    });
    this.#serveActor(federation);
    this.#serveCollections(federation);
    this.#servePosts(federation);
    federation
      .setInboxListeners("/users/{identifier}/inbox", "/inbox")
      .setSharedKeyDispatcher(() => ({ identifier: name })) // signs what is fetched on behalf of the shared inbox
      .on(Activity, (context, activity) => this.#receive(context, activity));
    federation.setNodeInfoDispatcher("/nodeinfo/2.1", () => ({
      software: { name: "fedify-peer", version: "1.0.0" },
      protocols: ["activitypub"],
      usage: { users: { total: 1 }, localPosts: this.posts.size, localComments: 0 },
    }));
    return federation;
  }

  #serveActor(federation) {
    federation
      .setActorDispatcher("/users/{identifier}", (context, identifier) => {
        if (identifier !== name) return null;
        return this.left === null ? this.#person(context) : new Tombstone({ id: context.getActorUri(name), deleted: this.left });
      })
      .mapHandle((_, username) => (username === name ? name : null))
      .setKeyPairsDispatcher((_, identifier) => (identifier === name ? this.#keys : []))
      .authorize((context) => this.strict !== "actors" || signed(context));
  }

  async #person(context) {
    const keys = await context.getActorKeyPairs(name);
    return new Person({
      id: context.getActorUri(name),
      preferredUsername: name,
      name: this.title,
      summary: "<p>I am served by Fedify.</p>",
      url: new URL(`/@${name}`, this.origin),
      icon: new Image({ url: new URL("/media/pixel.png", this.origin), mediaType: "image/png" }),
      inbox: context.getInboxUri(name),
      outbox: context.getOutboxUri(name),
      followers: context.getFollowersUri(name),
      following: context.getFollowingUri(name),
      featured: context.getFeaturedUri(name),
      endpoints: new Endpoints({ sharedInbox: context.getInboxUri() }),
      manuallyApprovesFollowers: this.answer === "wait",
      aliases: this.aliases,
      successor: this.successor ?? undefined,
      publicKey: keys[0].cryptographicKey,
      assertionMethods: keys.map((key) => key.multikey),
    });
  }

  #serveCollections(federation) {
    const allowed = (context) => this.strict === "open" || signed(context);
    const whole = (items) => (_, identifier) => (identifier === name ? { items: items() } : null);
    federation.setFollowersDispatcher("/users/{identifier}/followers", whole(() => [...this.followers.values()])).setCounter(() => this.followers.size).authorize(allowed);
    federation.setFollowingDispatcher("/users/{identifier}/following", whole(() => [...this.following].map((id) => new URL(id)))).authorize(allowed);
    federation.setFeaturedDispatcher("/users/{identifier}/featured", whole(() => this.pins.map((path) => this.posts.get(path).note))).authorize(allowed);
    const said = () => [...this.sent.values()].map((sent) => sent.activity).filter((activity) => activity instanceof Create && open(activity)).reverse();
    federation
      .setOutboxDispatcher("/users/{identifier}/outbox", (_, identifier, cursor) => {
        if (identifier !== name) return null;
        const from = Number(cursor ?? 0);
        const items = said().slice(from, cursor === null ? undefined : from + pageSize);
        return { items, nextCursor: from + pageSize < said().length ? String(from + pageSize) : null };
      })
      .setFirstCursor((_, identifier) => (identifier === name ? "0" : null))
      .setCounter((_, identifier) => (identifier === name ? said().length : null))
      .authorize(allowed);
  }

  #servePosts(federation) {
    federation.setObjectDispatcher(QuoteAuthorization, "/stamps/{id}", (_, { id }) => this.stamps.get(id) ?? null);
    federation
      .setObjectDispatcher(Note, "/notes/{id}", (_, { id }) => this.posts.get(id)?.note ?? null)
      .authorize(async (context, { id }) => {
        const post = this.posts.get(id);
        if (post === undefined || (open(post.note) && this.strict === "open")) return true;
        const reader = (await context.getSignedKeyOwner())?.id?.href;
        return reader !== undefined && (open(post.note) || post.recipients.some((recipient) => recipient.id.href === reader));
      });
  }

  // receive runs for what Fedify has verified, once per id and inbox.
  async #receive(context, activity) {
    const json = await activity.toJsonLd(context);
    this.events.add({
      at: new Date().toISOString(),
      type: json.type,
      id: activity.id?.href ?? "",
      actor: activity.actorId?.href ?? "",
      objectID: activity.objectId?.href ?? "",
      objectIDs: activity.objectIds.map((id) => id.href),
      targetID: activity.targetId?.href ?? "",
      content: String(activity.content ?? ""),
      inbox: context.recipient ?? "", // empty: the shared one
      understood: activity instanceof Create || activity instanceof Update ? await describe(await activity.getObject(context), context) : null,
      activity: json, // as it came, or compacted by Fedify if it carried an LD signature
    });
    if (activity instanceof Follow && activity.objectId?.href === context.getActorUri(name).href) {
      this.requests.set(activity.id.href, activity);
      if (this.answer === "accept") await this.settle(activity, Accept, context);
      if (this.answer === "reject") await this.settle(activity, Reject, context);
    } else if (activity instanceof Accept || activity instanceof Reject) {
      const follow = this.sent.get(activity.objectId?.href)?.activity;
      if (!(follow instanceof Follow) || follow.objectId?.href !== activity.actorId?.href) return;
      if (activity instanceof Accept) this.following.add(activity.actorId.href);
      else this.following.delete(activity.actorId.href);
    } else if (activity instanceof Undo) {
      const undone = await activity.getObject(context);
      if (undone instanceof Follow && undone.actorId?.href === activity.actorId?.href) {
        this.requests.delete(undone.id?.href);
        this.followers.delete(activity.actorId.href);
      }
    }
  }
}

// signed tells whether somebody signed the request, whoever that is.
async function signed(context) {
  return (await context.getSignedKeyOwner())?.id != null;
}

// recipient is what Fedify needs of an actor to deliver to it.
export function recipient(actor) {
  return { id: actor.id, inboxId: actor.inboxId, endpoints: actor.endpoints };
}

// open tells whether anyone may read the object.
function open(object) {
  return [...object.toIds, ...object.ccIds].some((id) => id.href === "https://www.w3.org/ns/activitystreams#Public");
}

// now is the time as Fedify's classes want it.
export function now() {
  return Temporal.Now.instant();
}
