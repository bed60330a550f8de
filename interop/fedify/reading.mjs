// What Fedify made of a document, as plain JSON: read through its classes, never from the source.
import { Emoji, Hashtag, isActor, Mention, Object as APObject, Question } from "@fedify/vocab";

async function all(iterable) {
  const list = [];
  for await (const item of iterable) list.push(item);
  return list;
}

const text = (value) => (value == null ? "" : String(value));
const href = (url) => text(url?.href?.href ?? url?.href);
const hrefs = (urls) => urls.map(href);

// describe tells the properties that a test compares; null for nothing.
export async function describe(object, context) {
  if (!(object instanceof APObject)) return null;
  const tags = await all(object.getTags(context));
  const common = {
    id: href(object.id),
    type: object.constructor.name,
    name: text(object.name),
    summary: text(object.summary),
    content: text(object.content),
    url: href(object.url),
    published: text(object.published),
    updated: text(object.updated),
    attributedTo: href(object.attributionId),
    inReplyTo: href(object.replyTargetId),
    to: hrefs(object.toIds),
    cc: hrefs(object.ccIds),
    sensitive: object.sensitive === true,
    mentions: tags.filter((tag) => tag instanceof Mention).map((tag) => ({ href: href(tag.href), name: text(tag.name) })),
    hashtags: tags.filter((tag) => tag instanceof Hashtag).map((tag) => ({ href: href(tag.href), name: text(tag.name) })),
    emojis: await Promise.all(tags.filter((tag) => tag instanceof Emoji).map(async (tag) => ({ name: text(tag.name), icon: href((await tag.getIcon(context))?.url) }))),
    attachments: (await all(object.getAttachments(context))).map((attachment) => ({
      type: attachment.constructor.name,
      mediaType: text(attachment.mediaType),
      url: href(attachment.url),
      name: text(attachment.name),
    })),
  };
  const preview = await object.getPreview(context);
  if (preview != null) common.preview = { type: preview.constructor.name, name: text(preview.name), content: text(preview.content), url: href(preview.url), attributedTo: href(preview.attributionId) };
  if (object instanceof Question) return { ...common, ...(await poll(object, context)) };
  if (!isActor(object)) return common;
  return {
    ...common,
    preferredUsername: text(object.preferredUsername),
    inbox: href(object.inboxId),
    sharedInbox: href(object.endpoints?.sharedInbox),
    followers: href(object.followersId),
    outbox: href(object.outboxId),
    featured: href(object.featuredId),
    aliases: hrefs(object.aliasIds),
    successor: href(object.successorId),
    keys: (await all(object.getPublicKeys(context))).map((key) => ({ id: href(key.id), owner: href(key.ownerId), algorithm: key.publicKey?.algorithm.name ?? "" })),
    assertionMethods: (await all(object.getAssertionMethods(context))).map((key) => ({ id: href(key.id), owner: href(key.controllerId), algorithm: key.publicKey?.algorithm.name ?? "" })),
  };
}

async function poll(question, context) {
  const exclusive = await all(question.getExclusiveOptions(context));
  const options = exclusive.length > 0 ? exclusive : await all(question.getInclusiveOptions(context));
  return {
    multiple: exclusive.length === 0,
    ends: text(question.endTime),
    voters: question.voters ?? 0,
    options: await Promise.all(options.map(async (option) => ({ name: text(option.name), votes: (await option.getReplies(context))?.totalItems ?? 0 }))),
  };
}
