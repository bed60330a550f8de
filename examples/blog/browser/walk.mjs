// A reader follows an author of the blog, the author publishes, carol elsewhere answers. See doc.go; browser_test.go starts it.
import { Person, blog, end, expect, far, fault, start } from './browser.mjs';

const { env } = process;

/** Has carol do something at her own server. */
async function carol(verb, form) {
  const r = await fetch(`http://${env.FAR}/carol/${verb}`, { method: 'POST', body: new URLSearchParams(form) });
  if (!r.ok) throw new Error(`carol can't ${verb}: ${await r.text()}`);
}

const source = `---
title: Tea at four
author: ada
summary: How long a pot stays warm, measured.
tags: [tea, numbers]
---

I put a thermometer into *four* pots. The [table](https://example.com/tea) is elsewhere; here is what it says:

| Pot | after 10 minutes | after 30 minutes |
| --- | ---------------: | ---------------: |
| tin | 71 °C | 48 °C |
| stoneware | 78 °C | 61 °C |

1. Warm the pot.
2. Close the lid.

- [x] pour

> Tea is a liquid that waits for nobody.

    averyveryverylongwordincode = thatdoesnotfitintoaphone + norinto(anything_narrow_at_all, really)
`;

async function read(reader) {
  await reader.open('/');
  await reader.look('home');
  await reader.tab();
  await reader.page.getByRole('link', { name: 'First light' }).click();
  await reader.look('post-first');
  await reader.page.getByRole('link', { name: '#meta' }).first().click();
  await reader.look('tag');
  await reader.open('/nowhere', 404);
  await reader.look('not-found');
  await reader.open('/feed.xml');
}

async function follow(reader) {
  const { page } = reader;
  await reader.open('/authors/ada');
  await reader.look('author');
  await reader.tab();
  expect(reader.abroad.length === 0, `before anybody followed, the browser asked ${reader.abroad}`);
  await page.getByRole('textbox', { name: 'To follow @ada@blog.test' }).fill('@carol@far.test');
  await reader.press('Follow');
  const at = `${far}/follow?who=${encodeURIComponent(`${blog}/ap/users/ada`)}`;
  expect(page.url() === at, `the form leads to ${page.url()}`);
  await reader.press('Follow');
  expect(await reader.has('Followed'), 'carol can’t follow');
  await reader.await('/authors/ada', 'carol');
  await reader.look('author-followed');
  const list = await page.getByRole('link', { name: 'carol' }).getAttribute('href');
  expect(list === `${far}/ap/users/carol`, `the follower is listed as ${list}`);
  const meant = [`GET ${at}`, `POST ${at}`];
  expect(JSON.stringify(reader.abroad) === JSON.stringify(meant), `to follow, the browser asked ${reader.abroad}`);
  reader.abroad.length = 0;
}

async function signIn(ada) {
  const { page } = ada;
  await ada.open('/');
  await page.getByRole('link', { name: 'Desk' }).click();
  await ada.look('sign-in');
  for (const password of ['not hers', env.PASSWORD]) {
    ada.refused.set(`${blog}/signin`, 403);
    await page.getByLabel('Name').fill('ada');
    await page.getByLabel('Password').fill(password);
    await ada.press('Sign in');
    if (password !== env.PASSWORD) await ada.look('sign-in-wrong');
  }
  ada.refused.clear();
  expect(page.url() === `${blog}/desk`, `signed in she is at ${page.url()}`);
}

async function publish(ada, reader) {
  const { page } = ada;
  await page.getByRole('link', { name: 'Write something' }).click();
  await page.getByLabel('Name in the address').fill('tea-at-four');
  await page.getByLabel('Text').fill('no front matter');
  ada.refused.set(`${blog}/desk/posts`, 422);
  await ada.press('Save');
  await ada.look('write-wrong');
  ada.refused.clear();
  await page.getByLabel('Text').fill(source);
  await ada.look('write');
  await ada.press('Save');
  expect(page.url() === `${blog}/desk`, `after saving she is at ${page.url()}`);
  await reader.open('/posts/tea-at-four');
  expect(await reader.page.getByRole('heading', { name: 'Tea at four' }).isVisible(), 'the post is not there');
}

async function discuss(ada, reader) {
  const post = '/posts/tea-at-four';
  const form = { post: blog + post };
  const words = 'A wooden lid keeps it warm for an hour';
  const alert = '<script>console.error("hers")</script><img src="http://far.test/pixel.png">';
  await carol('like', form);
  await carol('share', form);
  await carol('reply', { ...form, html: `<p>${words}.</p>${alert}` });
  await ada.await('/desk', words);
  await ada.look('desk');
  await ada.tab();
  await reader.await(post, '1 like');
  await reader.await(post, '1 share');
  expect(!(await reader.has(words)), 'the reply is shown before it was approved');

  await ada.press('Approve', ada.page.getByRole('article').filter({ hasText: words }));
  await reader.open(post);
  expect(await reader.has(words), 'the approved reply is not shown');
  const picture = reader.page.locator('.comment img');
  await picture.scrollIntoViewIfNeeded();
  await reader.page.waitForFunction(() => [...document.images].every((i) => i.complete && i.naturalWidth > 0));
  const shown = await picture.getAttribute('src');
  expect(shown.startsWith('/ap/media/'), `her picture is shown from ${shown}`);
  expect(reader.pictures > 0, 'no picture was loaded');
  await reader.look('post');
  await reader.tab();

  const { page } = reader;
  await page.getByLabel('Your name').fill('  ');
  await page.getByLabel('Your comment').fill('Mine stays warm for two.');
  reader.refused.set(`${blog}${post}/comments`, 422);
  await reader.press('Send');
  await reader.look('comment-wrong');
  reader.refused.clear();
  await page.getByLabel('Your name').fill('Dora');
  const kept = await page.getByLabel('Your comment').inputValue();
  expect(kept === 'Mine stays warm for two.', `of the comment that could not be taken the form has kept “${kept}”`);
  await reader.press('Send');
  expect(await reader.has('Thank you'), 'nobody is thanked for a comment');
  expect(!(await reader.has('Dora')), 'a visitor’s comment is shown before it was approved');
  await reader.look('comment-thanks');
}

async function remove(ada, reader) {
  await ada.open('/desk');
  await ada.page.getByRole('link', { name: 'Tea at four' }).click();
  await ada.look('edit');
  await ada.press('Delete');
  await reader.open('/posts/tea-at-four', 410);
  await reader.look('gone');
  await carol('hear', { type: 'Delete', post: `${blog}/posts/tea-at-four` });
  await ada.open('/desk');
  await ada.press('Sign out');
  await ada.open('/desk');
  expect(await ada.page.getByLabel('Password').isVisible(), 'she is still signed in');
}

const browser = await start();
try {
  const reader = await Person.in(browser);
  const ada = await Person.in(browser);
  await read(reader);
  await follow(reader);
  await signIn(ada);
  await publish(ada, reader);
  await discuss(ada, reader);
  await remove(ada, reader);
  for (const p of [reader, ada]) expect(p.abroad.length === 0, `the browser asked ${p.abroad}`);
} catch (e) {
  fault(e.stack);
} finally {
  await browser.close();
}
end();
