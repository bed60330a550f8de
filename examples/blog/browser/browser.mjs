// Chromium, and what all pages are held to: no console errors, no requests to others, axe-core, no scrolling sideways.
import axe from 'axe-core';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const { env } = process;
const widths = [360, 1280];
const schemes = ['light', 'dark'];
const patience = 30_000;

export const blog = 'http://blog.test';
export const far = 'http://far.test';

const faults = []; // what was wrong, for the end
let looked = 0;

/** Notes that something is wrong; the walk goes on. */
export function fault(text) {
  faults.push(text);
  console.log(`WRONG: ${text}`);
}

/** Notes it unless it is so. */
export function expect(so, text) {
  if (!so) fault(text);
}

/** Starts Chromium, which finds nothing but the two servers. */
export async function start() {
  rmSync(env.SCREENSHOTS, { recursive: true, force: true });
  mkdirSync(env.SCREENSHOTS, { recursive: true });
  return chromium.launch({
    executablePath: env.CHROMIUM,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
      `--host-resolver-rules=MAP blog.test ${env.BLOG},MAP far.test ${env.FAR},MAP * ~NOTFOUND`,
    ],
  });
}

/** A person with a browser of their own: cookies, and one tab. */
export class Person {
  abroad = []; // requests to others than the blog
  refused = new Map(); // URL → status of the pages that are meant to be answered so
  pictures = 0;

  static async in(browser) {
    const context = await browser.newContext({ reducedMotion: 'reduce' });
    context.setDefaultTimeout(patience);
    const p = new Person();
    p.context = context;
    p.page = await context.newPage();
    context.on('request', (r) => {
      if (/^https?:/.test(r.url()) && new URL(r.url()).origin !== blog) p.abroad.push(`${r.method()} ${r.url()}`);
    });
    context.on('response', (r) => {
      if (r.request().resourceType() === 'image' && r.ok()) p.pictures++;
      if (r.status() >= 400 && p.refused.get(r.url()) !== r.status()) fault(`${r.url()} is answered ${r.status()}`);
    });
    context.on('requestfailed', (r) => fault(`${r.url()} failed: ${r.failure()?.errorText}`));
    context.on('weberror', (e) => fault(`an error on a page: ${e.error()}`));
    context.on('console', (m) => {
      // Chromium itself says so of a page that is answered 4xx.
      const meant = m.text().startsWith('Failed to load resource') && p.refused.has(m.location().url);
      if (['error', 'warning', 'assert'].includes(m.type()) && !meant) fault(`console on ${p.page.url()}: ${m.text()}`);
    });
    return p;
  }

  /** Goes to a page of the blog, which is to be answered with a status. */
  async open(path, status = 200) {
    if (status >= 400) this.refused.set(blog + path, status);
    const r = await this.page.goto(blog + path);
    expect(r.status() === status, `${path} is answered ${r.status()}, not ${status}`);
  }

  /** Opens a page again and again until it has a text. */
  async await(path, text) {
    for (const end = Date.now() + patience; ; await new Promise((f) => setTimeout(f, 100))) {
      await this.open(path);
      if (await this.has(text)) return;
      if (Date.now() > end) throw new Error(`${path} never had “${text}”`);
    }
  }

  async has(text) {
    return (await this.page.locator('body').innerText()).includes(text);
  }

  /** Presses a button, and waits for the page that it leads to. */
  async press(name, within = this.page) {
    const left = this.page.evaluate(() => new Promise((f) => addEventListener('pagehide', f))).catch(() => {});
    await within.getByRole('button', { name, exact: true }).click();
    await left;
    await this.page.waitForLoadState();
  }

  /** Looks at the page as it is: light and dark, narrow and wide. */
  async look(name) {
    const { page } = this;
    const { pathname } = new URL(page.url());
    const began = Date.now();
    await page.evaluate(axe.source);
    for (const width of widths) {
      await page.setViewportSize({ width, height: width === 360 ? 740 : 800 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(wide <= width, `${pathname} is ${wide} wide at ${width}`);
      for (const colorScheme of schemes) {
        await page.emulateMedia({ colorScheme });
        await this.#axe(`${pathname} (${name}, ${width}, ${colorScheme})`);
        await page.screenshot({ path: join(env.SCREENSHOTS, `${name}-${width}-${colorScheme}.png`), fullPage: true, caret: 'initial' });
        looked++;
      }
    }
    console.log(`looked at ${name}, ${pathname}, in ${Date.now() - began} ms`);
  }

  async #axe(where) {
    // Without preload: axe would fetch style sheets by scripts, which the pages forbid.
    const { violations, incomplete, passes } = await this.page.evaluate(() => window.axe.run(document, { preload: false }));
    expect(passes.length > 10, `${where}: axe-core found only ${passes.length} rules to check`);
    for (const v of [...violations, ...incomplete]) {
      for (const n of v.nodes) fault(`${where}: axe-core ${v.id}: ${v.help}: ${n.html} ${n.failureSummary ?? ''}`);
    }
  }

  /** Goes through the page by keyboard; whatever has the focus must show it. */
  async tab() {
    const { page } = this;
    await page.emulateMedia({ colorScheme: 'light' });
    let seen = 0;
    for (; seen < 100; seen++) {
      await page.keyboard.press('Tab');
      const at = await page.evaluate(() => {
        const e = document.activeElement;
        if (e === document.body) return null;
        const { outlineStyle, outlineWidth } = getComputedStyle(e);
        const { left, top, width, height } = e.getBoundingClientRect();
        return { html: e.outerHTML.slice(0, 120), outline: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2, there: left >= 0 && top >= 0 && width > 0 && height > 0 };
      });
      if (at === null) break;
      expect(at.outline && at.there, `the focus does not show on ${at.html}`);
    }
    expect(seen > 5, `only ${seen} things can have the focus on ${page.url()}`);
  }
}

/** Ends the process, with status 1 if anything was wrong. */
export function end() {
  console.log(`${looked} screenshots; ${faults.length} faults`);
  for (const f of faults) console.log(`- ${f}`);
  process.exit(faults.length === 0 ? 0 : 1);
}
