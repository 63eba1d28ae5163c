// What a capture holds in memory under a limit such as the service's: a memory control group of our own, 1,000 rotations at
// 50,000 packets a second. Needs root, and control groups that may be made; fails without them.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CAPTURE, Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { PROGRAM, Program } from '../program.ts';

const MIB = 2 ** 20;
const LIMIT = 128 * MIB;
const CHARGED = 96 * MIB;
const RATE = 50_000;
const ROTATIONS = 1000;
const PACKETS_A_FILE = 500;

let lab: Lab;
let directory: string;
let group: MemoryGroup;

/** A memory control group of version 1 or 2, wherever the controller is. */
class MemoryGroup {
  readonly #path: string;
  readonly #most: string;

  constructor(name: string) {
    const mounts = readFileSync('/proc/self/mounts', 'latin1').split('\n');
    const found = mounts
      .map((line) => line.split(' '))
      .find(([, path = '', type, options = '']) =>
        type === 'cgroup'
          ? options.split(',').includes('memory')
          : type === 'cgroup2' && readFileSync(join(path, 'cgroup.controllers'), 'latin1').includes('memory'),
      );
    if (found === undefined) throw new Error('no cgroup hierarchy with the memory controller is mounted');
    const [, path = '', type] = found;
    if (type === 'cgroup2') writeFileSync(join(path, 'cgroup.subtree_control'), '+memory');
    this.#path = join(path, name);
    mkdirSync(this.#path);
    const limit = type === 'cgroup2' ? 'memory.max' : 'memory.limit_in_bytes';
    writeFileSync(join(this.#path, limit), String(LIMIT));
    this.#most = type === 'cgroup2' ? 'memory.peak' : 'memory.max_usage_in_bytes';
  }

  add(pid: number | undefined): void {
    writeFileSync(join(this.#path, 'cgroup.procs'), String(pid));
  }

  /** Bytes, the most that there ever were. */
  get most(): number {
    return Number(readFileSync(join(this.#path, this.#most), 'latin1'));
  }

  remove(): void {
    if (existsSync(this.#path)) rmdirSync(this.#path);
  }
}

beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-memory-'));
  group = new MemoryGroup(`tsnetpcap-memory-${process.pid}`);
});

afterAll(() => {
  lab?.remove();
  group?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

test('through 1,000 rotations no more is charged than a service may have', async () => {
  const options = [
    '--ring',
    '8',
    '--rotate-packets',
    String(PACKETS_A_FILE),
    '-w',
    join(directory, 'p-%Y%m%d%H%M%S.pcap'),
  ];
  const capture = new Program(lab, [process.execPath, PROGRAM, '-i', CAPTURE.name, '--snaplen', '96', ...options]);
  group.add(capture.process.pid);
  try {
    await capture.says(/listening on .*\n/);
    const count = ROTATIONS * PACKETS_A_FILE;
    expect(await offer(lab, { count, rate: RATE })).toBe(count);
    const rss = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${capture.process.pid}/status`, 'latin1'))?.[1]);
    expect(await capture.stop()).toEqual({ captured: count, received: count, dropped: 0 });
    const begun = /"type":"open"/g;
    expect(readFileSync(join(directory, 'p.ledger.jsonl'), 'utf8').match(begun)?.length).toBeGreaterThan(ROTATIONS - 1);
    const charged = group.most / MIB;
    process.stdout.write(
      `memory: ${charged.toFixed(1)} MiB charged at most, RSS ${(rss / 1024).toFixed(1)} MiB at the end\n`,
    );
  } finally {
    await capture.kill();
  }
  expect(group.most).toBeGreaterThan(10 * MIB); // it is in the group
  expect(group.most).toBeLessThanOrEqual(CHARGED);
});
