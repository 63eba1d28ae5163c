// Values from the wire in the page, and scripts put into it: nothing of them runs, shows as anything else, or asks for anything.
import { once } from 'node:events';
import { createServer } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { harmless } from '../../../src/netlog/harmless.ts';
import { renderReport } from '../../../src/netlog/report/render.ts';
import type { ReportData } from '../../../src/netlog/report/report-data.ts';
import { DATA_PLACE, emptyPage } from '../../../src/netlog-page.ts';
import { Reader } from './browser.ts';
import { sampleData } from './sample.ts';

/** Each would set `hit` or ask for something if it were anything but text. */
const HOSTILE: readonly string[] = [
  '<script>hit=1</script>.example',
  '</script><script>hit=1</script>',
  '<!--<script>',
  '<img src=x onerror=hit=1>',
  '<img src="https://leak.example/a.png">',
  '<svg onload=hit=1>',
  '"><iframe srcdoc="<script>parent.hit=1</script>">',
  "' onmouseover='hit=1",
  'javascript:hit=1',
  `{{hit=1}}\${hit=1}`,
  '$&$`$1// @SCRIPT@"@DATA@"',
  'line\u2028paragraph\u2029',
  'a\u0000b\u001b[31mred\u0007\u009b',
  'moc.elgoog\u202e\u2066www\u061c\u200f',
  'half\ud800pair',
  'اسم.example',
  `${'x'.repeat(63)}.${'y'.repeat(63)}.${'z'.repeat(63)}.${'w'.repeat(63)}.${'v'.repeat(44)}`,
  '.'.repeat(300),
  '\t\n\r',
];

/** A day on which every text that can come from the wire is one of HOSTILE. */
function hostileData(): ReportData {
  const data = sampleData();
  let turn = 0;
  const next = () => HOSTILE[turn++ % HOSTILE.length] ?? '';
  const peers = { rows: HOSTILE.map((value) => ({ value, flows: 1, bytes: 1000 })), total: 50 };
  return {
    ...data,
    qubes: data.qubes.map((qube) => ({
      ...qube,
      names: peers,
      addresses: peers,
      questions: { rows: HOSTILE.map((name) => ({ name, count: 2, refused: 1 })), total: 50 },
    })),
    gaps: { ...data.gaps, rows: data.gaps.rows.map((gap) => ({ ...gap, about: next() })) },
    checks: data.checks.map((check) => ({
      ...check,
      about: next(),
      evidence: {
        rows: HOSTILE.map((name) => ({
          host: 'sys-vpn',
          first: data.made,
          client: next(),
          proto: next(),
          remote: next(),
          port: 53,
          name,
          count: 1,
          bytes: 1,
          about: next(),
          row: next(),
        })),
        total: HOSTILE.length,
      },
    })),
    changes: {
      with: '2026-11-26',
      more: true,
      rows: HOSTILE.map((value) => ({
        host: 'sys-dns',
        client: next(),
        kind: 'name',
        value,
        first: data.made,
        times: 1,
        row: next(),
      })),
      total: HOSTILE.length,
      sums: [{ kind: 'name', times: HOSTILE.length }],
    },
    flows: {
      ...data.flows,
      rows: data.flows.rows.map((flow) => ({ ...flow, name: next(), src: next(), dst: next(), proto: next() })),
      rest: {
        rows: HOSTILE.map((value) => ({ host: 'sys-vpn', value, flows: 1, packets: 1, bytes: 1 })),
        total: HOSTILE.length,
      },
    },
  };
}

let reader: Reader;

beforeAll(async () => {
  reader = await Reader.start();
});

afterAll(async () => {
  await reader?.stop();
});

test.each([1440, 390])(
  'hostile texts at %i pixels: shown harmless, nothing runs, nothing is asked for',
  async (width) => {
    const { page, complaints } = await reader.open(renderReport(hostileData()), { width });
    for (const more of await page.locator('.more').all()) if (await more.isVisible()) await more.click();
    expect(await page.evaluate(() => 'hit' in window)).toBe(false);
    const tags = await page.evaluate(() => [
      ...new Set([...document.body.querySelectorAll('*')].map((each) => each.tagName)),
    ]);
    for (const tag of ['IMG', 'IFRAME', 'SVG', 'svg', 'OBJECT', 'FORM']) expect(tags).not.toContain(tag);
    expect(await page.locator('script').count()).toBe(2);
    const text = await page.evaluate(() =>
      [...document.body.children].map((each) => (each.tagName === 'SCRIPT' ? '' : each.textContent)).join(),
    );
    expect(text).toContain('<script>hit=1</script>.example');
    expect(text).toContain('moc.elgoog\\u202e');
    expect(text).not.toMatch(/[\p{Cc}\p{Bidi_C}\u2028\u2029]/u);
    expect(text.isWellFormed()).toBe(true);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
    await page.locator('#names').getByRole('button', { name: '<img src=x onerror=hit=1>' }).first().click();
    expect(await page.evaluate(() => 'hit' in window)).toBe(false);
    expect(complaints).toEqual([]);
  },
);

test('any text comes through the page as harmless() has it, cut where it is longer than 256 characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      const html = renderReport({ ...sampleData(), zone: text });
      const [before = '', after = ''] = emptyPage().split(DATA_PLACE);
      const block = html.slice(before.length, html.length - after.length);
      expect(block).not.toContain('<');
      const { zone } = JSON.parse(block);
      const whole = harmless(text);
      expect(zone.isWellFormed()).toBe(true);
      expect(whole.length > 256 ? zone.slice(0, 254) : zone).toBe(whole.length > 256 ? whole.slice(0, 254) : whole);
      expect(zone.length).toBeLessThan(256 + '\\ud800'.length);
    }),
    { numRuns: 60, endOnFailure: true, examples: [[`${'x'.repeat(254)}\u{1f600}y`]] },
  );
});

describe('the policy is in force', () => {
  const html = renderReport(sampleData());

  test('a script that is put into the page does not run, nor does a handler or a style', async () => {
    const put =
      '<script>hit = 1</script><p onclick="hit = 1" id="put">put</p><style>#put { color: rgb(1, 2, 3) }</style>';
    const { page, complaints } = await reader.open(html.replace('</body>', `${put}</body>`));
    await page.locator('#put').click();
    expect(await page.evaluate(() => 'hit' in window)).toBe(false);
    expect(await page.locator('#put').evaluate((each) => getComputedStyle(each).color)).not.toBe('rgb(1, 2, 3)');
    const refused = complaints.filter((each) => each.includes('Content Security Policy directive'));
    expect(refused.map((each) => /script-src|style-src/.exec(each)?.[0]).sort()).toEqual([
      'script-src',
      'script-src',
      'style-src',
    ]);
  });

  test('nothing can be asked for, and markup can not be parsed', async () => {
    let asked = 0;
    const server = createServer((_request, response) => {
      asked += 1;
      response.setHeader('access-control-allow-origin', '*').end('answered');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('unreachable: a server on TCP has a port');
      const url = `http://127.0.0.1:${address.port}/`;
      expect(await (await fetch(url)).text()).toBe('answered');
      const { page } = await reader.open(html);
      expect(await page.evaluate(tryToLeave, url)).toEqual(['TypeError', 'refused', 'TypeError']);
      expect(asked).toBe(1);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});

/** What a script in the page gets from fetch, from an image and from the parser. */
async function tryToLeave(url: string): Promise<string[]> {
  const fetched = await fetch(url).then(
    () => 'answered',
    (error: Error) => error.name,
  );
  const image = new Image();
  const loaded = new Promise<string>((done) => {
    image.onload = () => done('loaded');
    image.onerror = () => done('refused');
  });
  image.src = url;
  let parsed = 'parsed';
  try {
    document.body.innerHTML = '<b>markup</b>';
  } catch (error) {
    parsed = error instanceof Error ? error.name : 'thrown';
  }
  return [fetched, await loaded, parsed];
}
