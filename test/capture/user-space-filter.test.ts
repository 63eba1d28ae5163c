// Filters that the kernel refuses, live, against tcpdump, which then filters by itself too: the same packets kept, the same
// warning, and every packet accounted for. Needs root.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import * as libc from '../../src/native/libc.ts';
import { Program } from '../program.ts';
import { readSavefile } from '../savefile.ts';

const AF_INET = 2;
const SO_TIMESTAMPNS = 35;

let lab: Lab;
let directory: string;
let stamper: number;

beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-user-space-'));
  // As long as anyone asks for timestamps, the kernel stamps a packet once, when it arrives, for all captures.
  stamper = libc.socket(AF_INET, libc.SOCK_DGRAM, 0);
  libc.setsockopt(stamper, libc.SOL_SOCKET, SO_TIMESTAMPNS, Uint8Array.of(1, 0, 0, 0), 'SO_TIMESTAMPNS');
});

afterAll(() => {
  if (stamper !== undefined) libc.close(stamper);
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

const SENT = 6000;
const WARNING = 'Warning: Kernel filter failed: Invalid argument\n';

/** The frames' own numbers that are a multiple of three, one by one: more than 4,096 instructions. */
const THIRDS = Array.from({ length: 2400 }, (_, n) => `udp[8:4] = ${n * 3}`).join(' or ');

const CASES: readonly (readonly [options: readonly string[], warning: string])[] = [
  [['-i', 'cap0', '-s', '96', THIRDS], WARNING],
  [['-i', 'cap0', '-s', '30', THIRDS], WARNING], // which reads beyond what is kept
  [['-i', 'any', '-s', '96', THIRDS], WARNING], // on gen0 and on cap0
  [['-i', 'any', '-y', 'LINUX_SLL', '-s', '40', THIRDS], WARNING],
  [['-i', 'any', '-y', 'LINUX_SLL', '-s', '96', 'udp[11] & 1 = 1 and link[2:2] = 1'], ''],
  [['-i', 'cap0', `vlan 100 and (${THIRDS})`], WARNING],
  [['-i', 'cap0', 'ip protochain 17 and udp[11] & 1 = 1'], WARNING],
  [['-i', 'cap0', `not (${THIRDS}) and len > 100`], WARNING],
];

test('the packets that tcpdump keeps', { timeout: 120_000 }, async () => {
  const running: { ours: Program; theirs: Program; file: string }[] = [];
  try {
    await Promise.all(
      CASES.map(async ([options], index) => {
        const file = join(directory, `${index}`);
        const theirs = await Program.tcpdump(lab, ['-B', '8192', '-w', `${file}-theirs`, ...options]);
        const ours = await Program.capture(lab, ['-B', '8192', '-w', `${file}-ours`, ...options]);
        running[index] = { ours, theirs, file };
      }),
    );
    for (const frame of ['udp4', 'vlan'] as const)
      expect(await offer(lab, { count: SENT, frame, send: true, rate: 20_000 })).toBe(SENT);
    await Promise.all(running.map(({ theirs }) => theirs.caughtUp()));
    for (const [index, { ours, theirs, file }] of running.entries()) {
      const [options = [], warning = ''] = CASES[index] ?? [];
      const found = await ours.stop();
      await theirs.stop();
      const received = 2 * SENT * (options.includes('any') ? 2 : 1);
      const [kept, expected] = [records(`${file}-ours`), records(`${file}-theirs`)];
      expect(expected.length).toBeGreaterThan(0);
      expect(expected.length).toBeLessThan(received);
      expect({ options, kept }).toEqual({ options, kept: expected });
      expect({ options, ...found }).toEqual({ options, captured: expected.length, received, dropped: 0 });
      expect(ours.stderr).toContain(
        `${received - expected.length} packets left out by the filter outside the kernel\n`,
      );
      expect(ours.stderr).not.toContain('not read');
      for (const { stderr } of [ours, theirs]) expect(/^Warning:.*\n/m.exec(stderr)?.[0] ?? '').toBe(warning);
    }
  } finally {
    for (const { ours, theirs } of running) await Promise.all([ours.kill(), theirs.kill()]);
  }
});

/** As text; libpcap leaves stale memory behind the 6 bytes of a cooked header's address, in 8. */
function records(path: string): string[] {
  const { linktype, records } = readSavefile(path);
  const stale = new Map([
    [276, 18],
    [113, 12],
  ]).get(linktype);
  return records.map(({ sec, fraction, len, packet }) => {
    const bytes = Buffer.from(packet);
    if (stale !== undefined) bytes.fill(0, stale, stale + 2);
    return `${sec} ${fraction} ${len} ${bytes.toString('hex')}`;
  });
}

test('-c counts what is kept, and the ledger and --stats-file say what was left out', { timeout: 60_000 }, async () => {
  const series = join(directory, 'series');
  const stats = join(directory, 'stats');
  const args = ['-i', 'cap0', '-w', `${series}-%s.pcap`, '-c', '100', '--stats-file', stats, THIRDS];
  const ours = await Program.capture(lab, args);
  try {
    await offer(lab, { count: SENT, frame: 'udp4', send: true });
    expect(await ours.exit()).toBe(0);
    const { captured, received } = ours.statistics();
    const [, unread = 0] = /(\d+) packets not read/.exec(ours.stderr) ?? [];
    const [, left = 0] = /(\d+) packets left out/.exec(ours.stderr) ?? [];
    expect(captured).toBe(100);
    expect(Number(left)).toBeGreaterThanOrEqual(198);
    expect(received).toBe(captured + Number(left) + Number(unread));
    const stop = readFileSync(`${series}.ledger.jsonl`, 'utf8').trimEnd().split('\n').at(-1);
    expect(JSON.parse(stop ?? '')).toMatchObject({ type: 'stop', written: 100, filtered: Number(left) });
    expect(readFileSync(stats, 'utf8')).toMatch(new RegExp(`packets_filtered_total\\{.*\\} ${left}\n`));
  } finally {
    await ours.kill();
  }
});
