// The page in headless Chromium, from a file: what a reader does with it, and what it must never do.

import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bytes } from '../../../src/netlog/report/page/format.ts';
import { renderReport } from '../../../src/netlog/report/render.ts';
import { Reader } from './browser.ts';
import { sampleData } from './sample.ts';

const data = sampleData();
const html = renderReport(data);
let reader: Reader;

beforeAll(async () => {
  reader = await Reader.start();
});

afterAll(async () => {
  await reader?.stop();
});

/** The texts of a column of the table with `caption`, top to bottom. */
async function column(page: Page, caption: string, title: string): Promise<string[]> {
  return page.locator(`table:has(caption:text-is("${caption}")) td[data-title="${title}"]`).allInnerTexts();
}

/** How many pixels of the n-th chart have the colour that a custom property stands for. */
async function pixels(page: Page, chart: number, property: string): Promise<number> {
  return page.evaluate(
    ([at, name]) => {
      const probe = document.createElement('span');
      probe.style.color = `var(${name})`;
      document.body.append(probe);
      const [red, green, blue] = getComputedStyle(probe).color.match(/\d+/g)?.map(Number) ?? [];
      probe.remove();
      const canvas = document.querySelectorAll('canvas')[at];
      const { data: image } = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] };
      let found = 0;
      for (let i = 0; i < image.length; i += 4) {
        if (image[i] === red && image[i + 1] === green && image[i + 2] === blue && image[i + 3] === 255) found += 1;
      }
      return found;
    },
    [chart, property] as const,
  );
}

describe.each([1440, 390])('at %i pixels', (width) => {
  describe.each([false, true])('dark: %s', (dark) => {
    test('all is there, nothing is asked for, said or cut off', async () => {
      const { page, complaints } = await reader.open(html, { width, dark });
      expect(await page.title()).toBe('Network log 2026-11-27');
      const headings = await page.locator('h2').allInnerTexts();
      expect(headings).toEqual([
        '2 checks failed',
        'Something is missing',
        '4 new since 2026-11-26',
        'Timeline',
        'Checks',
        'Gaps and losses',
        'New since 2026-11-26',
        'Names and addresses',
        'Flows',
        'Bundles',
      ]);
      expect(await page.locator('canvas').count()).toBe(4);
      for (const chart of [0, 1, 2, 3]) expect(await pixels(page, chart, '--accent')).toBeGreaterThan(200);
      expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
      expect(await cutOff(page)).toEqual([]);
      expect(await faint(page)).toEqual([]);
      expect(complaints).toEqual([]);
    });
  });
});

/** Elements whose text reaches out of what shows it. */
async function cutOff(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('body *:not(script, .unseen, .uplot *)')]
      .filter((each) => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== 'inline')
      .map((each) => `${each.tagName} ${each.className} ${each.innerText.slice(0, 40)}`),
  );
}

/** Texts that stand out from what is behind them by less than WCAG's 4.5 to 1. */
async function faint(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const rgba = (text: string) => {
      const [red = 0, green = 0, blue = 0, alpha = 1] = text.match(/[\d.]+/g)?.map(Number) ?? [];
      return [red, green, blue, alpha] as const;
    };
    const light = (colour: readonly number[]) => {
      const [red = 0, green = 0, blue = 0] = colour.map((each) => {
        const part = each / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    /** Of all that is painted below the text. */
    const ground = (from: Element): readonly number[] => {
      const [red, green, blue, alpha] = rgba(getComputedStyle(from).backgroundColor);
      if (alpha === 1 || from.parentElement === null) return [red, green, blue];
      const below = ground(from.parentElement);
      return [red, green, blue].map((each, at) => each * alpha + (below[at] ?? 0) * (1 - alpha));
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = new Set<string>();
    for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
      const holder = node.parentElement;
      if (holder === null || !holder.checkVisibility() || (node.nodeValue ?? '').trim() === '') continue;
      const [a, b] = [light(rgba(getComputedStyle(holder).color)), light(ground(holder))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) found.add(`${holder.tagName} ${holder.className} ${node.nodeValue} ${ratio.toFixed(2)}`);
    }
    return [...found];
  });
}

describe('the timeline', () => {
  test('gaps and losses are drawn in the chart of their qube only', async () => {
    const { page } = await reader.open(html);
    const [dns, firewall, net, vpn] = [0, 1, 2, 3];
    const losses = await Promise.all([dns, firewall, net, vpn].map((chart) => pixels(page, chart, '--loss')));
    expect(losses.map((each) => each > 0)).toEqual([true, false, true, false]);
    const holes = await Promise.all([dns, firewall, net, vpn].map((chart) => pixels(page, chart, '--hole')));
    expect(holes.map((each) => each > 0)).toEqual([false, false, false, true]);
  });

  test('bytes and packets are switched, lines stay', async () => {
    const { page } = await reader.open(html);
    const pictures = () =>
      page.evaluate(() => [...document.querySelectorAll('canvas')].map((each) => each.toDataURL().length));
    const bytes = await pictures();
    await page.getByRole('button', { name: 'packets', exact: true }).click();
    expect(await page.getByRole('button', { name: 'packets', exact: true }).getAttribute('aria-pressed')).toBe('true');
    await expect
      .poll(async () => (await pictures()).map((each, at) => each === bytes[at]))
      .toEqual([false, true, true, false]);
  });

  test('the line above a chart says what is under the pointer, in the zone of the data', async () => {
    const { page } = await reader.open(html);
    const said = page.locator('.said');
    expect(await said.nth(1).innerText()).toBe('7,944 nft lines');
    await page
      .locator('.u-over')
      .nth(3)
      .hover({ position: { x: 2, y: 20 } });
    const { bytesAt = [], packetsAt = [] } = data.qubes[3] ?? {};
    await expect
      .poll(() => said.nth(3).innerText())
      .toBe(`26 Nov 03:30 – 03:35 · ${bytes(bytesAt[0] ?? 0)}, ${packetsAt[0]} packets`);
    expect(await said.nth(1).innerText()).toMatch(/^26 Nov 03:30 – 03:35 · \d+ nft lines$/);
    await page.mouse.move(2, 2);
    await expect.poll(() => said.nth(1).innerText()).toBe('7,944 nft lines');
  });

  test('the table has the same sums', async () => {
    const { page } = await reader.open(html);
    await page.getByText('The same as a table').click();
    const caption = 'Bytes, packets and nft lines of each qube by the hour';
    await page.locator(`.table:has(caption:text-is("${caption}")) .more`).click();
    const lines = (await column(page, caption, 'nft lines')).map((text) => Number(text.replaceAll(',', '')));
    const sum = data.qubes.reduce((all, qube) => all + qube.lines, 0);
    expect(lines.reduce((all, each) => all + each, 0)).toBe(sum);
  });
});

describe('the flows', () => {
  test('sort by any column, both ways, by key', async () => {
    const { page } = await reader.open(html);
    const rows = data.flows.rows;
    expect(await column(page, 'Flows', 'Packets')).toEqual(
      rows.slice(0, 25).map(({ packets }) => packets.toLocaleString('en')),
    );
    const head = page.locator('#flows').getByRole('columnheader', { name: 'Packets' }).first();
    await head.getByRole('button').focus();
    await page.keyboard.press('Enter');
    expect(await head.getAttribute('aria-sort')).toBe('descending');
    const packets = rows.map((row) => row.packets).sort((a, b) => b - a);
    const shown = (each: number) => each.toLocaleString('en');
    expect(await column(page, 'Flows', 'Packets')).toEqual(packets.slice(0, 25).map(shown));
    await page.keyboard.press('Enter');
    expect(await head.getAttribute('aria-sort')).toBe('ascending');
    expect(await column(page, 'Flows', 'Packets')).toEqual(packets.toReversed().slice(0, 25).map(shown));
    expect(await page.locator('#flows th[aria-sort]').count()).toBe(2); // the other is of the sums below
  });

  test('what has no name comes last, whichever way', async () => {
    const { page } = await reader.open(html);
    const head = page.locator('#flows').getByRole('columnheader', { name: 'Name', exact: true });
    for (const direction of ['ascending', 'descending']) {
      await head.getByRole('button').click();
      expect(await head.getAttribute('aria-sort')).toBe(direction);
      expect(await column(page, 'Flows', 'Name')).not.toContain('');
    }
  });

  test('more rows are shown on demand, and all words are searched for in the qube that is chosen', async () => {
    const { page } = await reader.open(html);
    await page.locator('#flows .more').first().click();
    expect((await column(page, 'Flows', 'To')).length).toBe(125);
    await page.getByLabel('Search the flows').fill('github.com TCP');
    await page.getByLabel('Qube').selectOption('sys-vpn');
    const found = data.flows.rows.filter(
      (row) => row.host === 'sys-vpn' && row.proto === 'TCP' && row.name === 'github.com',
    );
    expect(found.length).toBeGreaterThan(5);
    await expect.poll(() => page.getByRole('status').innerText()).toBe(`${found.length} flows, 0 sums`);
    const names = await column(page, 'Flows', 'Name');
    expect([...new Set(names)]).toEqual(['github.com']);
    expect(names.length).toBe(Math.min(25, found.length));
    await page.getByLabel('Search the flows').fill('no-such-name');
    await expect.poll(() => page.getByText('No flow is like that.').isVisible()).toBe(true);
  });

  test('a name of the lists leads to its flows', async () => {
    const { page } = await reader.open(html);
    await page.locator('#names').getByRole('button', { name: 'matrix.org' }).last().click();
    expect(await page.getByLabel('Search the flows').inputValue()).toBe('matrix.org');
    expect(await page.getByLabel('Qube').inputValue()).toBe('sys-vpn');
    expect([...new Set(await column(page, 'Flows', 'Name'))]).toEqual(['matrix.org']);
  });

  test('what was asked for is told with how often, and how often there was no answer', async () => {
    const [first, ...others] = data.qubes;
    if (first === undefined) throw new Error('unreachable: the sample has qubes');
    const rows = [
      { name: 'often.example', count: 1200, refused: 3 },
      { name: 'once.example', count: 1, refused: 0 },
    ];
    const asked = { ...first, questions: { rows, total: 2 } };
    const { page } = await reader.open(renderReport({ ...data, qubes: [asked, ...others] }));
    await page.getByText('1,200 times, 3 failed').waitFor();
    await page.getByText('1 time', { exact: true }).waitFor();
  });

  test('what has no row is told', async () => {
    const { page } = await reader.open(html);
    const flows = page.locator('#flows');
    await flows.getByText('4,218 flows. The 400 with most bytes are listed; the rest is summed below.').waitFor();
    expect(await column(page, 'The other flows, summed for each qube and name', 'Flows')).toEqual(['2,900', '918']);
  });
});

describe('the checks', () => {
  test('those that failed come first, with their evidence open', async () => {
    const { page } = await reader.open(html);
    expect(await page.locator('#checks li strong').allInnerTexts()).toEqual([
      'dns',
      'capture',
      'verify',
      'vpn',
      'ipv6',
    ]);
    expect(await column(page, 'What the check dns saw', 'To')).toEqual(['9.9.9.9:53', '9.9.9.9:53']);
    expect(await column(page, 'What the check dns saw', 'First')).toEqual(['26 Nov 16:30:00', '26 Nov 16:30:36']);
    await page.getByText('119 more are not on this page.').waitFor();
  });

  test('a day on which nothing leaked and nothing was lost says so', async () => {
    const calm = {
      ...data,
      checks: data.checks.map((check) => ({ ...check, status: 'passed' as const })),
      gaps: { rows: [], total: 0, sums: [] },
      changes: { with: '2026-11-26', rows: [], total: 0, more: false, sums: [] },
    };
    const { page, complaints } = await reader.open(renderReport(calm));
    expect(await page.locator('#summary h2').allInnerTexts()).toEqual([
      'No leak found',
      'Nothing was lost',
      'Nothing new',
    ]);
    expect(await pixels(page, 0, '--loss')).toBe(0);
    expect(complaints).toEqual([]);
  });

  test('what could not be checked is no good news', async () => {
    const unsure = { ...data, checks: data.checks.slice(-1), changes: undefined };
    const { page } = await reader.open(renderReport(unsure));
    const [leaks, , changes] = await page.locator('#summary h2').allInnerTexts();
    expect([leaks, changes]).toEqual(['No leak found, not all seen', 'No day to compare with']);
    const empty = { ...data, checks: [], bundles: [], gaps: { rows: [], total: 0, sums: [] } };
    const none = await reader.open(renderReport(empty));
    const [first, second] = await none.page.locator('#summary h2').allInnerTexts();
    expect([first, second]).toEqual(['Nothing was checked', 'Nothing was read']);
  });
});

describe('colours, keys and paper', () => {
  test('the switch wins over the system, and charts follow', async () => {
    const { page } = await reader.open(html);
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await ground();
    await page.getByRole('button', { name: 'dark' }).click();
    expect(await ground()).not.toBe(light);
    expect(await pixels(page, 0, '--accent')).toBeGreaterThan(200);
    await page.getByRole('button', { name: 'light' }).click();
    expect(await ground()).toBe(light);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await ground()).toBe(light);
    await page.getByRole('button', { name: 'auto' }).click();
    expect(await ground()).not.toBe(light);
    expect(await pixels(page, 3, '--accent')).toBeGreaterThan(200);
  });

  test('the first key leads past all to the flows', async () => {
    const { page } = await reader.open(html);
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('To the flows');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => location.hash)).toBe('#flows');
  });

  test('tables are tables to a screen reader, on a phone too', async () => {
    const { page } = await reader.open(html, { width: 390 });
    const table = page.getByRole('table', { name: 'Gaps and losses' });
    expect(await table.getByRole('columnheader').count()).toBe(7);
    expect(await table.getByRole('row').count()).toBe(4);
    expect(await page.locator('section:not([aria-label], [aria-labelledby])').count()).toBe(0);
  });

  test('on paper it is light, without buttons, and evidence is open', async () => {
    const { page, complaints } = await reader.open(html, { dark: true });
    await page.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
    await page.emulateMedia({ media: 'print' });
    expect(await page.locator('nav').isVisible()).toBe(false);
    expect(await page.locator('#checks details:not([open])').count()).toBe(0);
    expect(await page.locator('canvas').evaluateAll((all) => all.every((each) => each.clientWidth > 0))).toBe(true);
    expect(await page.evaluate(() => document.documentElement.dataset['theme'])).toBe('light');
    await page.evaluate(() => window.dispatchEvent(new Event('afterprint')));
    expect(await page.evaluate(() => document.documentElement.dataset['theme'])).toBeUndefined();
    expect(complaints).toEqual([]);
  });
});
