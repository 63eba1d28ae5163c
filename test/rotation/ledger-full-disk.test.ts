// The ledger on a disk that is full: lines wait, and none is lost, doubled or torn.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { CaptureError } from '../../src/errors.ts';
import { Ledger, type LedgerOptions } from '../../src/rotation/ledger.ts';
import type { LedgerEvent } from '../../src/rotation/ledger-entry.ts';
import { Tmpfs } from '../tmpfs.ts';
import { readChain } from './chain.ts';

let dir = '';
let path = '';
let notices: string[] = [];
let disk: Tmpfs | undefined;
afterEach(() => {
  disk?.unmount();
  disk = undefined;
});

function onTmpfs(size: string): Tmpfs {
  disk = Tmpfs.mount(size);
  dir = disk.path;
  path = join(dir, 'pcap.ledger.jsonl');
  notices = [];
  return disk;
}

function openLedger(options: Partial<LedgerOptions> = {}): Ledger {
  const notice = (text: string): void => void notices.push(text);
  return Ledger.open({ directory: dir, series: 'pcap', fileMode: 0o640, notice, ...options });
}

/** A line of about 160 bytes that says `n`. */
const line = (n: number): LedgerEvent => ({ type: 'step', byMs: n });
/** What the lines of `line()` say, in order, over all files of a chain that holds. */
const numbers = (): number[] => readChain(dir, 'pcap').flatMap((entry) => (entry.type === 'step' ? [entry.byMs] : []));
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

async function appendAll(ledger: Ledger, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) await ledger.append(line(n));
}

test.each([[0], [1], [2]])(
  'lines wait, and go on when there is room; nothing is torn or doubled (%i pages left)',
  async (pages) => {
    const full = onTmpfs('256k');
    const ledger = openLedger();
    await ledger.append(line(0));
    full.fill(pages);
    const appended: Promise<void>[] = [];
    let done = 0;
    for (let n = 1; n < 1200; n++) appended.push(ledger.append(line(n), n % 100 === 0).then(() => void done++));
    await vi.waitUntil(() => notices.length > 0, { timeout: 20_000 });
    expect(notices).toEqual([expect.stringMatching(/(ENOSPC .*|arrived in part): lines of the ledger wait$/)]);
    // What is there is whole while the rest waits, and its reserve let many lines through.
    const through = numbers();
    expect(through).toEqual(upTo(through.length));
    expect(through.length).toBe(done + 1);
    expect(through.length).toBeGreaterThan(150);
    expect(through.length).toBeLessThan(1200);
    full.giveBack();
    await Promise.all(appended);
    await ledger.close();
    expect(numbers()).toEqual(upTo(1200));
    expect(notices).toHaveLength(1);
  },
);

test('there is a reserve in every file, and it is given back at the end', async () => {
  const full = onTmpfs('1m');
  const ledger = openLedger({ size: '16K', maxFiles: 1000 });
  for (let n = 0; readdirSync(dir).length < 3; n++) await ledger.append(line(n));
  await appendAll(ledger, 1000, 1003);
  expect(statSync(path).size).toBeLessThan(4096);
  expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(64 * 1024);
  full.fill();
  await appendAll(ledger, 1003, 1063);
  await ledger.close();
  expect(statSync(path).blocks * 512).toBeLessThanOrEqual(16 * 1024);
  expect(numbers().slice(-63)).toEqual(Array.from({ length: 63 }, (_, n) => 1000 + n));
  expect(notices).toEqual([]);
});

test('with rotations in between, full again and again', async () => {
  const full = onTmpfs('512k');
  const ledger = openLedger({ size: '4K', maxFiles: 1000 });
  let next = 0;
  for (let round = 0; round < 5; round++) {
    full.fill(round);
    const appended: Promise<void>[] = [];
    for (let n = 0; n < 100; n++) appended.push(ledger.append(line(next++), n % 10 === 0));
    await new Promise((resolve) => setTimeout(resolve, 50));
    full.giveBack();
    await Promise.all(appended);
  }
  await ledger.close();
  expect(numbers()).toEqual(upTo(500));
});

test.each(['close', 'hurry'] as const)(
  'that stays full: %s rejects what waits, and does not wait itself',
  async (how) => {
    const full = onTmpfs('256k');
    const ledger = openLedger();
    await ledger.append(line(0));
    full.fill();
    const outcomes: string[] = [];
    const appended = upTo(1000).map(async (n) => {
      try {
        await ledger.append(line(n + 1));
        outcomes.push('written');
      } catch (cause) {
        outcomes.push((cause as CaptureError).code);
      }
    });
    ledger.note(line(2000));
    await vi.waitUntil(() => notices.length > 0, { timeout: 20_000 });
    if (how === 'close') await ledger.close();
    else ledger.hurry();
    await Promise.all(appended);
    expect([...new Set(outcomes)]).toEqual(['written', expect.stringMatching(/^(ENOSPC|ERR_SHORT_WRITE)$/)]);
    await ledger.close();
    const written = outcomes.filter((outcome) => outcome === 'written').length;
    expect(numbers()).toEqual(upTo(written + 1));
    expect(notices).toHaveLength(1);
  },
);
