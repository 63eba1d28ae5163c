// What each real program says about a capture, understood right: when all was kept, and when most was lost. Needs root, and
// fails without it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CaptureProcess } from '../../bench/capture-process.ts';
import { DISCARD, measureCapture } from '../../bench/capture-run.ts';
import {
  capEngine,
  dumpcap,
  libpcapEngine,
  netsniffNg,
  ours,
  tcpdump,
  tcpdumpByDefault,
} from '../../bench/contestants.ts';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { builtProgram } from '../../bench/runner.ts';

const PROGRAM = builtProgram(new URL('../..', import.meta.url).pathname);
const MIB = 1024 * 1024;
const settings = { snaplen: 96, ringMemory: 2 * MIB };
const signal = new AbortController().signal;

let lab: Lab;
let directory: string;

beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-contestants-'));
});

afterAll(() => {
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

const all = [ours, libpcapEngine, capEngine, tcpdump, tcpdumpByDefault, dumpcap, netsniffNg];

test.each(all)('$name: a run adds up, to a file and to /dev/null', async (contestant) => {
  const count = 2000;
  for (const file of [join(directory, 'a.pcap'), DISCARD]) {
    const run = { ...settings, file, offer: { count } };
    const { flaw, values, program } = await measureCapture({ lab, program: PROGRAM, signal }, contestant, run, 3);
    expect({ flaw, program }).toEqual({ flaw: undefined, program: contestant.name });
    const { offered, received, written = 0, dropped = 0, cpuPerMillion, cpuSec = 0 } = values;
    expect({ offered, received, sum: written + dropped }).toEqual({ offered: count, received: count, sum: count });
    // 64 KiB of ring for each packet: cap has room for 32.
    if (contestant === capEngine) expect(written).toBeGreaterThan(0);
    else expect(dropped).toBe(0);
    expect(cpuPerMillion).toBeCloseTo((cpuSec / written) * 1e6);
    expect(values['rssMib']).toBeGreaterThan(1);
  }
});

test.each(all)('$name: stopped while 60,000 packets come, it knows how many it has lost', async (contestant) => {
  const file = join(directory, 'b.pcap');
  const capture = await CaptureProcess.hold(lab, contestant.argv(PROGRAM, file, settings), signal);
  try {
    capture.release(contestant.stdin?.(settings));
    await capture.says(contestant.listening, signal);
    process.kill(capture.pid, 'SIGSTOP');
    const offered = await offer(lab, { count: 60_000 });
    process.kill(capture.pid, 'SIGCONT');
    await capture.quiet(signal);
    await capture.stop();
    const { received, captured, dropped } = contestant.counts(capture.said, offered);
    expect({ received, sum: captured + dropped }).toEqual({ received: offered, sum: offered });
    expect(captured).toBeGreaterThan(0);
    expect(dropped).toBeGreaterThan(0);
  } finally {
    await capture.kill();
  }
});
