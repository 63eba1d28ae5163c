// What makes a running capture speak or end: signals, -c, --duration, and a terminal that goes away. Live, in a lab; needs
// root, and fails without it. SIGTERM and SIGINT are in test/capture/stop, SIGHUP of a series in test/capture/rotation.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSequence } from '../../bench/frames.ts';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { PROGRAM, Program } from '../program.ts';
import { expectReadable, readSavefile, savefilesIn } from '../savefile.ts';

const RECORD = 16 + 128;

let lab: Lab;
let directory: string;

beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-signals-'));
});

afterAll(() => {
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

test('SIGUSR1 prints the statistics at any time, and the capture goes on', async () => {
  const file = join(directory, 'report.pcap');
  const program = await Program.capture(lab, ['-i', 'cap0', '-w', file]);
  try {
    const report = (count: number): RegExp =>
      new RegExp(
        `^tsnetpcap: ${count} packets captured, ${count} packets received by filter, 0 packets dropped.*\n`,
        'm',
      );
    program.signal('SIGUSR1');
    await program.says(report(0));
    expect(await offer(lab, { count: 1000 })).toBe(1000);
    // Nothing waits in this program: what was sent is in the file as soon as the kernel has handed it over.
    await program.until(() => statSync(file).size === 24 + 1000 * RECORD);
    program.signal('SIGUSR1');
    await program.says(report(1000));
    expect(await offer(lab, { count: 500 })).toBe(500);
    expect(await program.stop()).toEqual({ captured: 1500, received: 1500, dropped: 0 });
    expectReadable(file, 1500);
  } finally {
    await program.kill();
  }
});

test('SIGHUP ends a single file like SIGTERM', async () => {
  const file = join(directory, 'hangup.pcap');
  const program = await Program.capture(lab, ['-i', 'cap0', '-w', file]);
  try {
    program.signal('SIGHUP');
    expect(await program.exit()).toBe(0);
    expect(program.statistics()).toEqual({ captured: 0, received: 0, dropped: 0 });
    expectReadable(file, 0);
  } finally {
    await program.kill();
  }
});

test.each([1, 300])('-c %i ends in the middle of a block, and says how many packets it has not read', async (count) => {
  const file = join(directory, `count-${count}.pcap`);
  const home = join(directory, `count-${count}`);
  const programs = [
    await Program.capture(lab, ['-i', 'cap0', '-c', String(count), '-w', file]),
    await Program.capture(lab, ['-i', 'cap0', '-c', String(count), '--rotate', '1d', '-w', join(home, 'p-%s.pcap')]),
  ];
  try {
    expect(await offer(lab, { count: 1000, send: true })).toBe(1000);
    for (const program of programs) {
      expect(await program.exit()).toBe(0);
      const { captured, received, dropped } = program.statistics();
      expect({ captured, dropped }).toEqual({ captured: count, dropped: 0 });
      expect(program.stderr).toMatch(new RegExp(`^${received - count} packets? not read$`, 'm'));
    }
    const [only = '', ...others] = savefilesIn(home);
    expect(others).toEqual([]);
    for (const path of [file, join(home, only)]) {
      const numbers = readSavefile(path).records.map(({ packet }) => readSequence('udp4', packet));
      expect(numbers).toEqual(Array.from({ length: count }, (_, n) => n));
      expectReadable(path, count);
    }
  } finally {
    for (const program of programs) await program.kill();
  }
});

test('-c over many blocks', async () => {
  const file = join(directory, 'count-many.pcap');
  const program = await Program.capture(lab, ['-i', 'cap0', '-s', '64', '-B', '65536', '-c', '23457', '-w', file]);
  try {
    await offer(lab, { count: 50_000 });
    expect(await program.exit()).toBe(0);
    expect(program.statistics().captured).toBe(23_457);
    expectReadable(file, 23_457);
  } finally {
    await program.kill();
  }
});

test('--duration ends it by itself, and keeps what came until then', async () => {
  const file = join(directory, 'duration.pcap');
  const program = await Program.capture(lab, ['-i', 'cap0', '--duration', '2s', '-w', file]);
  try {
    expect(await offer(lab, { count: 1000 })).toBe(1000);
    expect(await program.exit()).toBe(0);
    expect(program.statistics()).toEqual({ captured: 1000, received: 1000, dropped: 0 });
    expectReadable(file, 1000);
  } finally {
    await program.kill();
  }
});

test('nobody reads stderr any more: the capture goes on and ends as told', async () => {
  const home = join(directory, 'unheard');
  const program = await Program.capture(lab, ['-i', 'cap0', '--rotate', '1d', '-w', join(home, 'p-%s.pcap')]);
  try {
    program.process.stderr?.destroy();
    program.signal('SIGUSR1');
    expect(await offer(lab, { count: 100 })).toBe(100);
    program.signal('SIGUSR1');
    expect(await offer(lab, { count: 100 })).toBe(100);
    expect(program.ended).toBe(false);
    program.signal('SIGTERM');
    expect(await program.exit()).toBe(0);
    const [only = '', ...others] = savefilesIn(home);
    expect([only, others]).toEqual([expect.stringMatching(/^p-\d+\.pcap$/), []]);
    expectReadable(join(home, only), 200);
  } finally {
    await program.kill();
  }
});

/** Runs ours with a terminal of its own, through script(1). What it prints there is the program's stdout. */
function onTerminal(args: readonly string[]): Program {
  const command = [process.execPath, PROGRAM, ...args].map((word) => `'${word}'`).join(' ');
  return new Program(lab, ['script', '-qec', `exec ${command}`, '/dev/null']);
}

test('a status line: on a terminal only, and not with -q', async () => {
  const shown = join(directory, 'shown.pcap');
  const quiet = join(directory, 'quiet.pcap');
  const plain = join(directory, 'plain.pcap');
  const options = ['-i', 'cap0', '--duration', '3s', '-w'];
  const programs = [
    onTerminal([...options, shown]),
    onTerminal([...options, quiet, '-q']),
    new Program(lab, [process.execPath, PROGRAM, ...options, plain]),
  ];
  try {
    const printed = ({ stdout, stderr }: Program): string => stdout + stderr;
    for (const program of programs) await program.until(() => printed(program).includes('listening on'));
    expect(await offer(lab, { count: 1000 })).toBe(1000);
    for (const program of programs) {
      expect(await program.exit()).toBe(0);
      expect(printed(program)).toMatch(/1000 packets captured\r?\n/);
    }
    const [onShown, ...others] = programs.map(printed);
    expect(onShown).toMatch(new RegExp(`\r.*1000 packets, \\d+/s, 0 dropped, ${shown}`));
    for (const text of others) expect(text).not.toMatch(/\d\/s/);
    for (const file of [shown, quiet, plain]) expectReadable(file, 1000);
  } finally {
    for (const program of programs) await program.kill();
  }
});

test('a terminal that goes away stops the capture, and its last file is complete', async () => {
  const home = join(directory, 'terminal');
  const program = onTerminal(['-i', 'cap0', '--rotate', '1d', '-w', join(home, 'p-%s.pcap')]);
  let inner = 0;
  const running = (): boolean => {
    try {
      return !readFileSync(`/proc/${inner}/stat`, 'latin1').includes(') Z ');
    } catch {
      return false; // it is gone
    }
  };
  try {
    await program.until(() => program.stdout.includes('listening on'));
    const { pid } = program.process;
    inner = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim());
    expect(running()).toBe(true);
    expect(await offer(lab, { count: 100 })).toBe(100);
    await program.kill();
    await expect.poll(running, { timeout: 10_000 }).toBe(false);
    const [only = '', ...others] = savefilesIn(home);
    expect([only, others]).toEqual([expect.stringMatching(/^p-\d+\.pcap$/), []]);
    expectReadable(join(home, only), 100);
  } finally {
    await program.kill();
    if (inner > 0 && running()) process.kill(inner, 'SIGKILL');
  }
});
