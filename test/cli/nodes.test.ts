// The program under every Node it is made for: the same packets, at the same time, the same file. Live, in a lab; needs
// root and the Nodes that scripts/test installs, and fails without them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FRAME_KINDS } from '../../bench/frames.ts';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { NODES } from '../nodes.ts';
import { PROGRAM, Program } from '../program.ts';
import { expectReadable, readSavefile, savefilesIn } from '../savefile.ts';

let lab: Lab;
let directory: string;

beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-nodes-'));
});

afterAll(() => {
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

test.each(NODES)('Node %s is the one that runs', async (major, node) => {
  const { code, stdout } = await Program.run(lab, [node, PROGRAM, '--version']);
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`^tsnetpcap .*, Node ${major}\\.`));
});

test('a file and a series of the same packets are the same under each', async () => {
  const captures = NODES.flatMap(([major, node]) => [
    { node, home: join(directory, `file-${major}`), name: 'all.pcap', options: ['--ring', '3'] },
    {
      node,
      home: join(directory, `series-${major}`),
      name: 'p-%s.pcap',
      options: ['-s', '96', '--rotate', '1d', 'udp'],
    },
  ]);
  const programs: Program[] = [];
  try {
    for (const { node, home, name, options } of captures) {
      const args = ['-i', 'cap0', '-B', '4096', '-w', join(home, name), ...options];
      programs.push(await Program.capture(lab, args, { node }));
    }
    const count = 500;
    for (const frame of FRAME_KINDS) expect(await offer(lab, { frame, count, send: true })).toBe(count);
    for (const program of programs) program.signal('SIGTERM');
    const files: string[] = [];
    for (const [index, program] of programs.entries()) {
      const { captured, received, dropped } = await program.stop();
      expect({ received, dropped }).toEqual({ received: captured, dropped: 0 });
      const { home = '' } = captures[index] ?? {};
      const [only = '', ...others] = savefilesIn(home);
      expect(others).toEqual([]);
      files.push(join(home, only));
      expectReadable(join(home, only), captured);
    }
    for (const kind of [0, 1]) {
      const [first, ...rest] = files
        .filter((_, index) => index % 2 === kind)
        .map((file) => readSavefile(file))
        .map(({ header, records }) => ({ header, packets: records.map(({ len, packet }) => ({ len, packet })) }));
      expect(first?.packets.length).toBeGreaterThanOrEqual(2 * count);
      if (kind === 0) expect(first?.packets.length).toBe(FRAME_KINDS.length * count);
      for (const other of rest) expect(other).toEqual(first);
    }
  } finally {
    for (const program of programs) await program.kill();
  }
});
