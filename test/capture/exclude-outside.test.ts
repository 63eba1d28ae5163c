// Exclusions that are too many for the kernel, live: what is kept is what is kept with those among them that the frames can
// meet, which the kernel takes; and every packet is accounted for. Needs root.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { EXCLUDE, frames, numbered } from '../filter/exclusion-frames.ts';
import { Program } from '../program.ts';
import { readSavefile } from '../savefile.ts';
import { sendFrames } from './send-frames.ts';

let lab: Lab;
let directory: string;
beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-exclude-'));
  for (const device of ['gen0', 'cap0']) lab.link('set', device, 'mtu', '9000');
});
afterAll(() => {
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

/** Networks of /48 that no frame has an address in: about 8,500 instructions. */
const FAR = Array.from({ length: 1000 }, (_, n) => {
  const word = (factor: number): string => ((n * factor) & 0xffff).toString(16);
  return `2${word(40503).padStart(4, '0').slice(1)}:${word(30011)}:${word(7919)}::/48`;
}).filter((network) => !network.startsWith('2001:'));
const WARNING = 'Warning: Kernel filter failed: Invalid argument\n';

/** Everything that tells a record from another, but for its time. */
function records(path: string): string[] {
  return readSavefile(path).records.map(({ len, packet }) => `${len} ${Buffer.from(packet).toString('hex')}`);
}

test.each([
  ['sent', ['-i', 'gen0']],
  ['received', ['-i', 'cap0', '-s', '20']],
  ['both', ['-i', 'any']],
  ['both, SLL', ['-i', 'any', '-y', 'LINUX_SLL', '-s', '24']],
  ['with an expression', ['-i', 'any', 'ip6 or arp']],
])('the same as in the kernel: %s', { timeout: 60_000 }, async (what, args) => {
  const running: Program[] = [];
  try {
    for (const [name, exclude] of [
      ['inside', EXCLUDE],
      ['outside', [...FAR, ...EXCLUDE]],
    ] as const) {
      const excluded = exclude.flatMap((each) => ['--exclude', each]);
      running.push(await Program.capture(lab, ['-w', join(directory, `${what} ${name}`), ...excluded, ...args]));
    }
    const [inside, outside] = running;
    if (inside === undefined || outside === undefined) throw new Error('unreachable: two were started');
    sendFrames(
      lab,
      frames().map(({ bytes }, index) => numbered(bytes, index)),
    );
    const [few, many] = [await inside.stop(), await outside.stop()];
    const kept = records(join(directory, `${what} inside`));
    expect(kept.length).toBeGreaterThan(10);
    expect(records(join(directory, `${what} outside`))).toEqual(kept);
    expect(inside.stderr).not.toContain('Warning');
    expect(outside.stderr).toContain(WARNING);
    const [, left = 0] = /(\d+) packets left out by the filter outside the kernel/.exec(outside.stderr) ?? [];
    expect(many).toEqual({ captured: few.captured, received: few.captured + Number(left), dropped: 0 });
    expect(outside.stderr).not.toContain('not read');
  } finally {
    for (const program of running) await program.kill();
  }
});
