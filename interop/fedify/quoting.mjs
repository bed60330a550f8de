// Quotes with consent, FEP-044f: the part of the control API that asks for leave, gives it, takes it back and reads it,
// through Fedify's own classes.
import { Accept, Create, Delete, Note, PUBLIC_COLLECTION, QuoteAuthorization, QuoteRequest } from "@fedify/vocab";
import { name, now, recipient } from "./peer.mjs";
import { Refusal } from "./refusal.mjs";

export class Quoting {
  #peer;
  #looking;

  constructor(peer, looking) {
    this.#peer = peer;
    this.#looking = looking;
  }

  // quotable is a post of fred's that others may quote.
  async quotable({ content = "" }) {
    const { path, note } = this.#note(content, {});
    const followers = [...this.#peer.followers.values()];
    this.#peer.posts.set(path, { note, recipients: followers, shared: true });
    const create = new Create({ id: new URL("#create", note.id), actor: this.#me(), object: note, tos: note.toIds, ccs: note.ccIds });
    return { note: note.id.href, ...(await this.#peer.send(create, followers, { sharedInbox: true })) };
  }

  // quote shows a post that quotes another and asks its author for leave.
  async quote({ id, content = "" }) {
    const { object, author } = await this.#looking.authored(id);
    const { path, note } = this.#note(content, { quote: object.id, quoteUrl: object.id });
    this.#peer.posts.set(path, { note, recipients: [recipient(author)], shared: false });
    const request = new QuoteRequest({ id: this.#peer.activityID(), actor: this.#me(), object: object.id, instrument: note, to: author.id });
    return { note: note.id.href, ...(await this.#peer.send(request, [author])) };
  }

  // stamp puts the leave that was given into a post of fred's, and sends it to the author of what it quotes.
  async stamp({ id, stamp }) {
    const path = String(id).slice(`${this.#peer.origin}/notes/`.length);
    const post = this.#peer.posts.get(path);
    if (post === undefined) throw new Refusal(404, `${id} is no post of ${name}'s`);
    const note = post.note.clone({ quoteAuthorization: new URL(stamp) });
    this.#peer.posts.set(path, { ...post, note });
    const create = new Create({ id: new URL("#create", note.id), actor: this.#me(), object: note, tos: note.toIds, ccs: note.ccIds });
    return await this.#peer.send(create, post.recipients);
  }

  // grant gives leave for a quote of a post of fred's and answers the request of this id.
  async grant({ request, actor, quote, quoted }) {
    const asker = await this.#looking.actor(actor);
    const path = crypto.randomUUID();
    const stamp = new QuoteAuthorization({
      id: new URL(`/stamps/${path}`, this.#peer.origin), attribution: this.#me(), interactingObject: new URL(quote), interactionTarget: new URL(quoted),
    });
    this.#peer.stamps.set(path, stamp);
    const asked = new QuoteRequest({ id: new URL(request), actor: asker.id, object: new URL(quoted), instrument: new URL(quote) });
    const accept = new Accept({ id: this.#peer.activityID(), actor: this.#me(), object: asked, result: stamp.id, to: asker.id });
    return { note: stamp.id.href, ...(await this.#peer.send(accept, [asker])) };
  }

  // revoke deletes a stamp and tells an actor.
  async revoke({ id, actor }) {
    const asker = await this.#looking.actor(actor);
    this.#peer.stamps.delete(String(id).slice(`${this.#peer.origin}/stamps/`.length));
    const activity = new Delete({ id: this.#peer.activityID(), actor: this.#me(), object: new URL(id), to: asker.id });
    return await this.#peer.send(activity, [asker]);
  }

  // authorization is what Fedify makes of a document that gives leave, or of a post that was given it.
  async authorization({ id }) {
    const object = await this.#looking.find(id, true);
    if (object instanceof QuoteAuthorization) {
      return { type: "QuoteAuthorization", author: object.attributionId?.href, quote: object.interactingObjectId?.href, quoted: object.interactionTargetId?.href };
    }
    if (object instanceof Note) {
      return { type: "Note", quoted: object.quoteId?.href, quoteUrl: object.quoteUrl?.href, stamp: object.quoteAuthorizationId?.href ?? "" };
    }
    throw new Refusal(404, `Fedify finds nothing of the kind at ${id}`);
  }

  #note(content, more) {
    const path = crypto.randomUUID();
    const id = new URL(`/notes/${path}`, this.#peer.origin);
    const audience = { tos: [PUBLIC_COLLECTION], ccs: [this.#peer.context().getFollowersUri(name)] };
    return { path, note: new Note({ id, attribution: this.#me(), content: `<p>${content}</p>`, url: id, published: now(), ...audience, ...more }) };
  }

  #me() {
    return this.#peer.context().getActorUri(name);
  }
}
