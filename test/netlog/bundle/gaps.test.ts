// What a ledger says is missing, with lines that a Ledger has written.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { gapsOfLedgers, missingSavefiles } from '../../../src/netlog/bundle/gaps.ts';
import { Ledger } from '../../../src/rotation/ledger.ts';
import type { LedgerEvent } from '../../../src/rotation/ledger-entry.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gaps-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const COUNTS = { received: 9, dropped: 0, ifDropped: 0, queueFreezes: 0, filtered: 0, late: 0, noSpace: 0 };
const START: LedgerEvent = {
  type: 'start',
  version: '0.1.0',
  node: 'v20',
  host: 'sys-dns',
  pid: 1,
  zoneOffset: 0,
  pattern: 'pcap-%Y%m%d%H%M%S.pcap',
  device: 'any',
  interfaces: [],
  linktype: 276,
  snaplen: 96,
  precision: 'micro',
  filter: '',
  exclude: [],
  program: '',
};
const STOP: LedgerEvent = { type: 'stop', ...COUNTS, written: 9, unread: 0 };
const close = (startSec: number, dropped: number): LedgerEvent => ({
  type: 'close',
  name: `${startSec}.pcap`,
  startSec,
  endSec: startSec + 3600,
  packets: 9,
  bytes: 24,
  first: null,
  last: null,
  ...COUNTS,
  dropped,
});

test('no capture, one that died, and what was dropped', async () => {
  const ledger = Ledger.open({ directory, series: 'pcap', fileMode: 0o600, notice: () => {} });
  const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5)); // lines have the clock's times
  for (const event of [START, close(3600, 0), close(7200, 5), STOP, START, START]) {
    await ledger.append(event);
    await tick();
  }
  await ledger.close();
  const gaps = gapsOfLedgers(directory);
  expect(gaps).toEqual([
    { kind: 'dropped', count: 5, fromMs: 7_200_000, toMs: 10_800_000, about: 'dropped by the kernel' },
    { kind: 'missing', fromMs: expect.any(Number), toMs: expect.any(Number), about: 'no capture ran' },
    { kind: 'missing', fromMs: expect.any(Number), toMs: expect.any(Number), about: 'the capture had died' },
  ]);
  for (const { fromMs, toMs } of gaps) expect(fromMs).toBeLessThan(toMs);
});

test('savefiles of few names, cut by size, or at odd times tell of no gap', () => {
  const names = (...times: readonly string[]): string[] => times.map((time) => `pcap-20261124${time}.pcap`);
  expect(missingSavefiles(names('010000', '090000'))).toEqual([]);
  expect(missingSavefiles([...names('010000', '020000', '030000', '040000'), 'pcap-20261124030000-1.pcap.gz'])).toEqual(
    [],
  );
  expect(missingSavefiles(names('010000', '011234', '020000', '030000', '040000'))).toEqual([]);
  expect(missingSavefiles(names('010000', '020000', '030000', '050000', '060000'))).toHaveLength(1);
  expect(missingSavefiles(['a.pcap', 'b.pcap', 'c.pcap', 'd.pcap'])).toEqual([]);
});
