// One suite for all engines: the same traffic, the same expectations, and the capability table (src/capture/engine.ts) tried
// in both directions: what is claimed must hold, what is denied must not. Live, in a lab; needs root, and fails without it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildFrame, readSequence } from '../../bench/frames.ts';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { CAPABILITIES, type CapabilityName, ENGINES, type Engine } from '../../src/capture/engine.ts';
import * as libc from '../../src/native/libc.ts';
import { pcap_lib_version } from '../../src/native/libpcap.ts';
import { PROGRAM, Program } from '../program.ts';
import { expectReadable, maskAddress, readSavefile, type SavefileRecord } from '../savefile.ts';

/** As in same-as-tcpdump.test.ts: both captures then have the kernel's one stamp of a packet. */
const SO_TIMESTAMPNS = 35;
const AF_INET = 2;
/** Packets a second that every engine can take; `cap` needs 64 KiB for each packet that waits. */
const RATE = 5000;
const ROOM = ['--ring-memory', '128MiB'];
const LINKTYPE_NFLOG = 239;
/** netfilter hands over what it has logged after a second at the latest. */
const NFLOG_FLUSH_MS = 1300;

let lab: Lab;
let directory: string;
let file: string;
let running: Program | undefined;

beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-engines-'));
});

afterAll(() => {
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

let files = 0;
beforeEach(() => {
  file = join(directory, `${files++}.pcap`);
});

afterEach(() => running?.kill());

/** `cap` takes a warning for an error, and asks for promiscuous mode on any, of which libpcap warns since 1.10.5. */
const LIBPCAP_WARNS_OF_ANY = !/ 1\.10\.[0-4] /.test(pcap_lib_version());

const can = (engine: Engine, capability: CapabilityName): boolean => CAPABILITIES[capability].engines.includes(engine);
const records = (): readonly SavefileRecord[] => readSavefile(file).records;
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const numbers = (): number[] => records().map(({ packet }) => readSequence('udp4', packet));

/** Ours, with `engine`, into `file`. */
async function capture(engine: Engine, args: readonly string[], where: Lab = lab): Promise<Program> {
  const room = args.includes('-B') ? [] : ROOM;
  running = await Program.capture(where, ['--engine', engine, '-w', file, ...room, ...args]);
  return running;
}

/** What the program says of options that it does not take. */
async function refusal(engine: Engine, args: readonly string[]): Promise<string> {
  const argv = [process.execPath, PROGRAM, '--engine', engine, '-w', file, ...args] as const;
  const { code, stderr } = await Program.run(lab, argv);
  expect([code, stderr.trimEnd().split('\n').length]).toEqual([2, 1]);
  expect(stderr).toContain(`--engine ${engine}: it does not take `);
  return stderr;
}

describe.each(ENGINES)('%s', (engine) => {
  test('every packet, in order, byte for byte, at its length', async () => {
    const program = await capture(engine, ['-i', 'cap0']);
    expect(await offer(lab, { count: 1000, length: 200, send: true, rate: RATE })).toBe(1000);
    expect(await program.stop()).toMatchObject({ captured: 1000, received: 1000 });
    const found = records();
    expect(found.length).toBe(1000);
    for (const [n, { packet, len }] of found.entries()) {
      expect([len, packet.equals(buildFrame('udp4', 200, n))]).toEqual([200, true]);
    }
    expectReadable(file, 1000);
  });

  test.each([
    ['cap0', [], 0],
    ['any', ['-y', 'LINUX_SLL2'], 20 - 14],
    ['any', ['-y', 'LINUX_SLL'], 16 - 14],
  ])('-s on %s %j: caplen and len', async (device, options, more) => {
    if (options.includes('LINUX_SLL2') && !can(engine, 'linktypes'))
      return expect(await refusal(engine, ['-i', device, ...options])).toContain('LINUX_SLL2');
    if (device === 'any' && engine === 'cap' && LIBPCAP_WARNS_OF_ANY) {
      const { code, stderr } = await Program.run(lab, [
        process.execPath,
        PROGRAM,
        '-i',
        'any',
        '--engine',
        'cap',
        '-w',
        file,
      ]);
      expect(stderr).toMatch(/\ntsnetpcap: --engine cap: Promiscuous mode not supported on the "any" device\n$/);
      return expect(code).toBe(1);
    }
    const program = await capture(engine, ['-i', device, '-s', '64', ...options]);
    expect(await offer(lab, { count: 100, length: 200 })).toBe(100);
    expect(await offer(lab, { count: 100, length: 50, frame: 'arp' })).toBe(100);
    await program.stop();
    const found = records().map(({ len, packet }) => [len, packet.length]);
    const [long, short] = [
      [200 + more, 64],
      [50 + more, 50 + more],
    ];
    expect(found).toEqual([...Array.from({ length: 100 }, () => long), ...Array.from({ length: 100 }, () => short)]);
    expectReadable(file, 200);
  });

  test('--immediate-mode', async () => {
    const program = await capture(engine, ['-i', 'cap0', '--immediate-mode']);
    expect(await offer(lab, { count: 100, send: true, rate: RATE })).toBe(100);
    expect(await program.stop()).toMatchObject({ captured: 100, received: 100 });
    expect(numbers()).toEqual(upTo(100));
  });

  test('a filter, exclusions and -c', async () => {
    const program = await capture(engine, ['-i', 'cap0', '--exclude', '10.77.0.0/16', '-c', '150', 'not ip6']);
    for (const frame of ['udp4', 'udp6', 'vlan', 'arp'] as const)
      await offer(lab, { count: 100, frame, send: true, rate: RATE });
    expect(await program.stop()).toMatchObject({ captured: 0, received: 0 });
    const other = await capture(engine, ['-i', 'cap0', '-c', '150', 'not ip6']);
    await offer(lab, { count: 100, frame: 'udp6' });
    await offer(lab, { count: 200, send: true, rate: RATE });
    expect(await other.exit()).toBe(0);
    expect(other.statistics()).toMatchObject({ captured: 150 });
    expect(numbers()).toEqual(upTo(150));
  });

  test('a series, cut by packet time', async () => {
    file = join(directory, `${engine}-%s.pcap`);
    const program = await capture(engine, ['-i', 'cap0', '--rotate', '1s', '--no-ledger']);
    expect(await offer(lab, { count: 15_000, send: true, rate: RATE })).toBe(15_000);
    expect(await program.stop()).toMatchObject({ captured: 15_000, received: 15_000 });
    const names = execFileSync('sh', ['-c', `ls ${directory}/${engine}-*.pcap`], { encoding: 'utf8' })
      .trim()
      .split('\n');
    expect(names.length).toBeGreaterThanOrEqual(3);
    const all = names.flatMap((name) => {
      const { records: found } = readSavefile(name);
      const startSec = Number(/-(\d+)\.pcap$/.exec(name)?.[1]);
      expect(found.filter(({ sec }) => sec !== startSec)).toEqual([]);
      return found.map(({ packet }) => readSequence('udp4', packet));
    });
    expect(all).toEqual(upTo(15_000));
  });

  test('SIGTERM right behind 2,000 packets: all of them are in the file', async () => {
    const program = await capture(engine, ['-i', 'cap0']);
    expect(await offer(lab, { count: 2000, send: true, rate: RATE })).toBe(2000);
    expect(await program.stop()).toMatchObject({ captured: 2000, received: 2000 });
    expect(numbers()).toEqual(upTo(2000));
  });

  test('SIGTERM under full load: it ends while packets still come, and the counts agree', async () => {
    const program = await capture(engine, ['-i', 'cap0', '-s', '64']);
    const load = new AbortController();
    const offered = offer(lab, { count: 20_000_000 }, load.signal);
    offered.catch(() => {}); // it is interrupted, on purpose
    try {
      await program.until(() => statSync(file).size > 5_000_000);
      const { captured, received, dropped } = await program.stop();
      expect(readSavefile(file).records.length).toBe(captured);
      expect(captured + dropped).toBe(received);
      expect(program.stderr).not.toContain('unaccounted');
    } finally {
      load.abort();
      await expect.poll(() => execFileSync('ip', ['netns', 'pids', lab.name], { encoding: 'utf8' })).toBe('');
    }
  });

  test('promiscuousOff, and promiscuous without -p', async () => {
    const promiscuity = (): string | undefined =>
      /promiscuity (\d+)/.exec(lab.exec(['ip', '-d', 'link', 'show', 'cap0']))?.[1];
    const program = await capture(engine, ['-i', 'cap0']);
    expect(promiscuity()).toBe('1');
    await program.stop();
    expect(promiscuity()).toBe('0');
    if (!can(engine, 'promiscuousOff')) return expect(await refusal(engine, ['-i', 'cap0', '-p'])).toContain('-p');
    await capture(engine, ['-i', 'cap0', '-p']);
    expect(promiscuity()).toBe('0');
  });

  test('nanoseconds', async () => {
    const nano = ['-i', 'cap0', '--time-stamp-precision', 'nano'];
    if (!can(engine, 'nanoseconds')) return expect(await refusal(engine, nano)).toContain('nano');
    const program = await capture(engine, nano);
    await offer(lab, { count: 1000 });
    await program.stop();
    const { header, records: found } = readSavefile(file);
    expect(header.readUInt32LE(0)).toBe(0xa1b23c4d);
    expect(found.filter(({ fraction }) => fraction % 1000 !== 0).length).toBeGreaterThan(500);
  });

  test('kernelTimestamps: of when a packet came, not of when it was read', async () => {
    const program = await capture(engine, ['-i', 'cap0']);
    program.signal('SIGSTOP');
    await offer(lab, { count: 10 });
    const sentMs = Date.now();
    await setTimeout(500);
    program.signal('SIGCONT');
    await program.stop();
    const late = records().filter(({ sec, fraction }) => sec * 1000 + fraction / 1000 > sentMs + 250);
    expect(late.length).toBe(can(engine, 'kernelTimestamps') ? 0 : 10);
  });

  test('filterFromStart: packets that the filter rejects are not even counted', async () => {
    const load = new AbortController();
    const offered = offer(lab, { count: 20_000_000 }, load.signal);
    offered.catch(() => {});
    try {
      await setTimeout(500);
      const counts: number[] = [];
      for (let round = 0; round < 3; round++) {
        const program = await capture(engine, ['-i', 'cap0', 'arp']);
        const { captured, received } = await program.stop();
        counts.push(captured, received);
      }
      expect(counts.every((count) => count === 0)).toBe(can(engine, 'filterFromStart'));
    } finally {
      load.abort();
      await expect.poll(() => execFileSync('ip', ['netns', 'pids', lab.name], { encoding: 'utf8' })).toBe('');
    }
  });

  test('snaplenInKernel: the program on the socket returns what to keep', async () => {
    await capture(engine, ['-i', 'cap0', '-s', '77']);
    const returns = lab.exec(['ss', '-0', '-b']).includes('0x06 0 0 77');
    expect(returns).toBe(can(engine, 'snaplenInKernel'));
  });

  test('dropCounts and queueFreezes: more packets than there is room for', async () => {
    const program = await capture(engine, ['-i', 'cap0', '-s', '1000', '-B', '1024']);
    program.signal('SIGSTOP');
    expect(await offer(lab, { count: 20_000, length: 1000 })).toBe(20_000);
    program.signal('SIGCONT');
    const { captured, received, dropped } = await program.stop();
    expect(captured).toBeGreaterThan(0);
    expect(captured).toBeLessThan(20_000);
    expect({ received, dropped }).toEqual(
      can(engine, 'dropCounts') ? { received: 20_000, dropped: 20_000 - captured } : { received: captured, dropped: 0 },
    );
    expect(/ring found full/.test(program.stderr)).toBe(can(engine, 'queueFreezes'));
  });

  test('survivesRemoval', async () => {
    const own = Lab.create();
    try {
      const program = await capture(engine, ['-i', 'cap0'], own);
      await offer(own, { count: 100, send: true, rate: RATE });
      own.disconnect();
      if (can(engine, 'survivesRemoval')) {
        await program.says(/cap0: the interface disappeared, waiting for it\n/);
        own.connect();
        await program.says(/cap0: back after/);
        await offer(own, { count: 100, send: true, rate: RATE });
        expect(await program.stop()).toEqual({ captured: 200, received: 200, dropped: 0 });
      } else {
        expect(await program.exit()).toBe(1);
        expect(program.statistics()).toMatchObject({ captured: 100 });
      }
      expect(numbers()).toEqual(can(engine, 'survivesRemoval') ? [...upTo(100), ...upTo(100)] : upTo(100));
    } finally {
      await running?.kill();
      own.remove();
    }
  });

  test('--exit-on-down and an interface that is removed: what it had brought is in the file, exit code 1', async () => {
    const own = Lab.create();
    try {
      const program = await capture(engine, ['-i', 'cap0', '--exit-on-down'], own);
      await offer(own, { count: 2000, send: true, rate: RATE });
      own.disconnect();
      expect(await program.exit()).toBe(1);
      expect(program.stderr).toContain('tsnetpcap: cap0: the interface disappeared\n');
      expect(program.statistics()).toMatchObject({ captured: 2000, received: 2000 });
      expect(numbers()).toEqual(upTo(2000));
    } finally {
      await running?.kill();
      own.remove();
    }
  });

  test('otherDevices: packets that netfilter logs', async () => {
    if (!can(engine, 'otherDevices')) return expect(await refusal(engine, ['-i', 'nflog:7'])).toContain('nflog:7');
    const own = Lab.create();
    try {
      own.link('set', 'lo', 'up');
      const chain = 'add table inet t; add chain inet t c { type filter hook output priority 0; }';
      own.exec(['nft', `${chain}; add rule inet t c udp dport 40001 log group 7`]);
      const program = await capture(engine, ['-i', 'nflog:7'], own);
      const send = `const s = require('node:dgram').createSocket('udp4'); let n = 0;
        const next = () => n++ < 100 ? s.send('packet', 40001, '127.0.0.1', next) : s.close(); next();`;
      own.exec([process.execPath, '-e', send]);
      await setTimeout(NFLOG_FLUSH_MS);
      expect(await program.stop()).toEqual({ captured: 100, received: 100, dropped: 0 });
      expect(readSavefile(file).linktype).toBe(LINKTYPE_NFLOG);
      expectReadable(file, 100);
    } finally {
      await running?.kill();
      own.remove();
    }
  });
});

describe('the same traffic, ring and libpcap side by side: the same bytes', () => {
  const kinds = ['udp4', 'udp6', 'arp', 'vlan', 'qinq'] as const;

  test.each([
    [['-i', 'cap0']],
    [['-i', 'cap0', '-s', '67']],
    [['-i', 'cap0', '--time-stamp-precision', 'nano', 'not arp']],
    [['-i', 'cap0', '--exclude', '10.77.0.1']],
    [['-i', 'any']],
    [['-i', 'any', '-s', '67', 'udp']],
    [['-i', 'any', '-y', 'LINUX_SLL']],
    [['-i', 'any', '-y', 'LINUX_SLL', '-s', '30']],
  ])('%j', async (args) => {
    const programs: Program[] = [];
    const names = ['ring', 'libpcap'].map((engine) => join(directory, `same-${engine}.pcap`));
    const stamper = libc.socket(AF_INET, libc.SOCK_DGRAM, 0);
    libc.setsockopt(stamper, libc.SOL_SOCKET, SO_TIMESTAMPNS, Uint8Array.of(1, 0, 0, 0), 'SO_TIMESTAMPNS');
    try {
      for (const [index, engine] of ['ring', 'libpcap'].entries())
        programs.push(await Program.capture(lab, ['--engine', engine, '-w', names[index] ?? '', ...args]));
      for (const frame of kinds) await offer(lab, { count: 200, length: 80, frame, send: true });
      await offer(lab, { count: 20_000 });
      const [ring, libpcap] = [await programs[0]?.stop(), await programs[1]?.stop()];
      expect(libpcap).toEqual(ring);
    } finally {
      for (const program of programs) await program.kill();
      libc.close(stamper);
    }
    const [ring, libpcap] = names.map(readSavefile);
    if (ring === undefined || libpcap === undefined) throw new Error('unreachable: two files');
    expect(libpcap.header).toEqual(ring.header);
    expect(libpcap.records.length).toBe(ring.records.length);
    expect(ring.records.length).toBeGreaterThan(args.includes('--exclude') ? 100 : 20_000);
    const different = ring.records.findIndex(({ sec, fraction, len, packet }, index) => {
      const other = libpcap.records[index];
      if (other === undefined || other.sec !== sec || other.fraction !== fraction || other.len !== len) return true;
      return !packet.equals(maskAddress(other, libpcap.linktype));
    });
    expect([different, ring.records[different], libpcap.records[different]]).toEqual([-1, undefined, undefined]);
  });
});
