// The control API: what a test can make the peer do. Each verb takes and returns plain JSON.
import { signRequest } from "@fedify/fedify";
import {
  Accept,
  Add,
  Announce,
  Block,
  Collection,
  Create,
  Delete,
  Document,
  Emoji,
  EmojiReact,
  Flag,
  Follow,
  Hashtag,
  Image,
  Like,
  Mention,
  Move,
  Note,
  PUBLIC_COLLECTION,
  Question,
  Reject,
  Remove,
  Tombstone,
  Undo,
  Update,
} from "@fedify/vocab";
import { Temporal } from "@js-temporal/polyfill";
import { Looking } from "./looking.mjs";
import { name, now, recipient, specs } from "./peer.mjs";
import { Refusal } from "./refusal.mjs";

const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

export class Control {
  #peer;
  #looking;

  constructor(peer, looking) {
    this.#peer = peer;
    this.#looking = looking;
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
      posts: peer.posts.size,
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

  // strict says who must sign to read: nobody ("open"), who reads "objects" and collections, or "actors" too.
  strict({ mode }) {
    if (!["open", "objects", "actors"].includes(mode)) throw new Refusal(400, "mode is one of open, objects, actors");
    this.#peer.strict = mode;
    return { mode };
  }

  // rotate gives fred new keys, and tells nobody unless announce is set.
  async rotate({ announce }) {
    await this.#peer.rotate();
    return announce === true ? await this.#announceMe() : {};
  }

  // rename changes the name that fred shows, and tells his followers.
  async rename({ name }) {
    this.#peer.title = name;
    return await this.#announceMe();
  }

  // alias says which other accounts are fred's, and tells nobody.
  alias({ ids }) {
    this.#peer.aliases = ids.map((id) => new URL(id));
    return {};
  }

  // move tells the followers that another actor takes fred's place: with an Update, and then with the Move that is returned.
  async move({ id }) {
    const me = this.#me();
    this.#peer.successor = new URL(id);
    await this.#announceMe();
    const followers = this.#peer.context().getFollowersUri(name);
    const move = new Move({ id: this.#peer.activityID(), actor: me, object: me, target: new URL(id), to: followers });
    return await this.#peer.send(move, [...this.#peer.followers.values()], { sharedInbox: true });
  }

  // leave deletes fred: his followers and the actors in ids are told, and a tombstone stays.
  async leave({ ids = [] }) {
    const me = this.#me();
    const others = await Promise.all(ids.map((id) => this.#looking.actor(id)));
    const activity = new Delete({ id: new URL("#delete", me), actor: me, object: me, to: PUBLIC_COLLECTION });
    const sent = await this.#peer.send(activity, [...this.#peer.followers.values(), ...others.map(recipient)], { sharedInbox: true });
    await this.#peer.idle(); // who is gone signs nothing any more
    this.#peer.left = now();
    return sent;
  }

  async follow({ id }) {
    const actor = await this.#looking.actor(id);
    const follow = new Follow({ id: this.#peer.activityID(), actor: this.#me(), object: actor.id, to: actor.id });
    return await this.#peer.send(follow, [actor]);
  }

  // accept embeds the Follow, or names its id alone if bare is set.
  async accept({ id, bare }) {
    return await this.#peer.settle(this.#request(id), Accept, undefined, bare === true);
  }

  async reject({ id }) {
    return await this.#peer.settle(this.#request(id), Reject);
  }

  // dismiss turns away the follower with the id of an actor, though it was accepted.
  async dismiss({ id, request }) {
    const follower = await this.#looking.actor(id);
    this.#peer.followers.delete(id);
    const follow = new Follow({ id: new URL(request), actor: follower.id, object: this.#me() });
    return await this.#peer.send(new Reject({ id: this.#peer.activityID(), actor: this.#me(), object: follow, to: follower.id }), [follower]);
  }

  // post publishes a note. to: public, unlisted, followers or direct; mention: actor ids; hashtag: names without "#";
  // emoji: names without ":"; image: the description of an attached picture; options: what a poll asks, of which one can be
  // chosen; quiet: it is only shown, and sent to nobody.
  async post({ content = "", to = "public", mention = [], hashtag = [], emoji = [], summary, image, inReplyTo, options, quiet = false }) {
    const peer = this.#peer;
    const path = crypto.randomUUID();
    const id = new URL(`/notes/${path}`, peer.origin);
    const actors = await Promise.all(mention.map((actor) => this.#looking.actor(actor)));
    const mentions = actors.map((actor) => new Mention({ href: actor.id, name: `@${actor.preferredUsername}@${actor.id.host}` }));
    const hashtags = hashtag.map((tag) => new Hashtag({ href: new URL(`/tags/${tag}`, peer.origin), name: `#${tag}` }));
    const picture = new Image({ url: new URL("/media/pixel.png", peer.origin), mediaType: "image/png" });
    const emojis = emoji.map((name) => new Emoji({ id: new URL(`/emojis/${name}`, peer.origin), name: `:${name}:`, icon: picture }));
    const links = [...mentions, ...hashtags].map((tag) => ` <a href="${escape(tag.href.href)}">${escape(tag.name)}</a>`);
    const audience = this.#audience(to, actors);
    const Class = options === undefined ? Note : Question;
    const note = new Class({
      id,
      attribution: this.#me(),
      content: `<p>${escape(content)}${links.join("")}</p>`,
      summary,
      sensitive: summary !== undefined,
      replyTarget: inReplyTo === undefined ? undefined : new URL(inReplyTo),
      url: id,
      published: now(),
      tags: [...mentions, ...hashtags, ...emojis],
      attachments: image === undefined ? [] : [new Document({ mediaType: "image/png", url: new URL("/media/pixel.png", peer.origin), name: image, width: 1, height: 1 })],
      ...(options === undefined ? {} : poll(options.map((name) => ({ name, votes: 0 })), 0)),
      ...audience,
    });
    const recipients = quiet ? [] : [...(to === "direct" ? [] : peer.followers.values()), ...actors.map(recipient)];
    peer.posts.set(path, { note, recipients, shared: to !== "direct" });
    const create = new Create({ id: new URL("#create", id), actor: this.#me(), object: note, published: note.published, ...audience });
    return { note: id.href, ...(await peer.send(create, recipients, { sharedInbox: to !== "direct" })) };
  }

  // reply answers a post of anyone's, whose author is mentioned.
  async reply({ id, ...rest }) {
    const { object, author } = await this.#looking.authored(id);
    return await this.post({ ...rest, inReplyTo: object.id.href, mention: [...new Set([...(rest.mention ?? []), author.id.href])] });
  }

  async like({ id, content }) {
    return await this.#react(Like, id, content);
  }

  // react is an EmojiReact.
  async react({ id, content }) {
    return await this.#react(EmojiReact, id, content);
  }

  async #react(Class, id, content) {
    const { object, author } = await this.#looking.authored(id);
    return await this.#peer.send(new Class({ id: this.#peer.activityID(), actor: this.#me(), object: object.id, content, to: author.id }), [author]);
  }

  // vote chooses the option of this name.
  async vote({ id, option }) {
    const { object, author } = await this.#looking.authored(id);
    const vote = new Note({ id: this.#peer.activityID(), attribution: this.#me(), name: option, replyTarget: object.id, to: author.id });
    const create = new Create({ id: this.#peer.activityID(), actor: this.#me(), object: vote, to: author.id });
    return { note: vote.id.href, ...(await this.#peer.send(create, [author])) };
  }

  // tally tells the followers how a poll of fred's stands: votes are the numbers of each option, in their order.
  async tally({ id, votes, voters }) {
    const { path, post } = this.#own(id);
    const options = await Array.fromAsync(post.note.getExclusiveOptions());
    const note = post.note.clone(poll(options.map((option, i) => ({ name: String(option.name), votes: votes[i] })), voters));
    this.#peer.posts.set(path, { ...post, note });
    const update = new Update({ id: new URL(`#update-${crypto.randomUUID()}`, note.id), actor: this.#me(), object: note, tos: note.toIds, ccs: note.ccIds });
    return await this.#peer.send(update, post.recipients, { sharedInbox: post.shared });
  }

  // pin shows a post of fred's above all others, and tells his followers.
  async pin({ id }) {
    const { path } = this.#own(id);
    this.#peer.pins.push(path);
    return await this.#pinned(Add, id);
  }

  async unpin({ id }) {
    const { path } = this.#own(id);
    this.#peer.pins = this.#peer.pins.filter((pinned) => pinned !== path);
    return await this.#pinned(Remove, id);
  }

  async #pinned(Class, id) {
    const target = this.#peer.context().getFeaturedUri(name);
    const activity = new Class({ id: this.#peer.activityID(), actor: this.#me(), object: new URL(id), target, ...this.#audience("public", []) });
    return await this.#peer.send(activity, [...this.#peer.followers.values()], { sharedInbox: true });
  }

  // block also ends that the actor follows fred.
  async block({ id }) {
    const actor = await this.#looking.actor(id);
    this.#peer.followers.delete(actor.id.href);
    return await this.#peer.send(new Block({ id: this.#peer.activityID(), actor: this.#me(), object: actor.id, to: actor.id }), [actor]);
  }

  // flag reports an actor, with objects that show why, to its server.
  async flag({ id, objects = [], content }) {
    const actor = await this.#looking.actor(id);
    const flag = new Flag({ id: this.#peer.activityID(), actor: this.#me(), objects: [actor.id, ...objects.map((object) => new URL(object))], content, to: actor.id });
    return await this.#peer.send(flag, [actor], { sharedInbox: true });
  }

  async announce({ id }) {
    const { object, author } = await this.#looking.authored(id);
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

  // undo takes back any activity that was sent, by its id. It embeds the activity, or names its id alone if bare is set.
  async undo({ id, bare }) {
    const sent = this.#peer.sent.get(id);
    if (sent === undefined) throw new Refusal(404, `nothing was sent as ${id}`);
    if (sent.activity instanceof Follow) this.#peer.following.delete(sent.activity.objectId.href);
    const undo = new Undo({ id: this.#peer.activityID(), actor: this.#me(), object: bare === true ? sent.activity.id : sent.activity, tos: sent.activity.toIds, ccs: sent.activity.ccIds });
    return await this.#peer.send(undo, sent.recipients, { sharedInbox: sent.sharedInbox });
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

  // announceMe is an Update of the actor.
  async #announceMe() {
    const me = await this.#peer.me();
    const update = new Update({ id: new URL(`#update-${crypto.randomUUID()}`, me.id), actor: me.id, object: me, updated: now(), ...this.#audience("public", []) });
    return await this.#peer.send(update, [...this.#peer.followers.values()], { sharedInbox: true });
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

// poll is what a question has more than a note.
function poll(options, voters) {
  return {
    exclusiveOptions: options.map(({ name, votes }) => new Note({ name, replies: new Collection({ totalItems: votes }) })),
    endTime: now().add(Temporal.Duration.from({ hours: 1 })),
    voters,
  };
}
