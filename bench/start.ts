// `start`: how long after its exec a capture keeps its first packet. Packets come all the time; the first one in the
// savefile has the kernel's time stamp.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSavefile } from '../src/savefile/reading/open.ts';
import { readPackets } from '../src/savefile/reading/read-packets.ts';
import { CaptureProcess } from './capture-process.ts';
import type { Bench, Benchmark, Cell, Measured } from './cell.ts';
import { type Contestant, dumpcap, ours, tcpdump, tsnetpcap } from './contestants.ts';
import { readSequence } from './frames.ts';
import { GENERATOR } from './lab.ts';
import { offer } from './offer.ts';
import { inTurns } from './turns.ts';

const CAPTURE = { snaplen: 96, ringMemory: 16 * 2 ** 20 } as const;
const RATE = 10_000;
const SEC = 3;
const POLL_MS = 5;
const EXPRESSION = 'udp and not net 10.137.0.0/16';

/** With this at the end of its command line. */
function filtered(contestant: Contestant): Contestant {
  return { ...contestant, argv: (...given) => [...contestant.argv(...given), EXPRESSION] };
}

/** dumpcap takes its expression by an option only. */
function filteredDumpcap(): Contestant {
  return { ...dumpcap, argv: (...given) => [...dumpcap.argv(...given), '-f', EXPRESSION] };
}

function cell(id: string, title: string, short: boolean, contestants: readonly Contestant[]): Cell {
  return {
    id,
    title,
    short,
    peer: tcpdump.name,
    metrics: [{ key: 'first', title: 'exec to the first packet kept', unit: 'ms', better: 'less', digits: 1 }],
    settings: { ...CAPTURE, packetsPerSecond: RATE, seconds: SEC },
    measure: (bench) => inTurns(bench, contestants, (contestant, round) => run(bench, contestant, round)),
  };
}

async function run(bench: Bench, contestant: Contestant, round: number): Promise<Measured> {
  const { lab, signal } = bench;
  const file = join(bench.directory, `start${round}.pcap`);
  const capture = await CaptureProcess.hold(lab, contestant.argv(bench.program, file, CAPTURE), signal);
  try {
    const offered = offer(lab, { count: bench.scaled(SEC * RATE), rate: RATE, send: true }, signal);
    offered.catch(() => {}); // seen below
    const sent = (): number => Number(lab.exec(['cat', `/sys/class/net/${GENERATOR.name}/statistics/tx_packets`]));
    const before = sent();
    while (sent() === before) await sleep(POLL_MS, undefined, { signal });
    const execMs = Date.now();
    capture.release(contestant.stdin?.(CAPTURE));
    await capture.says(contestant.listening, signal);
    await offered;
    await capture.quiet(signal);
    await capture.stop();
    for await (const { sec, nsec, data } of readPackets(await openSavefile(file))) {
      const first = sec * 1000 + nsec / 1e6 - execMs;
      const flaw = readSequence('udp4', data) === 0 ? { flaw: 'it listened before packets came' } : {};
      return { program: contestant.name, round, values: { first }, ...flaw };
    }
    return { program: contestant.name, round, values: {}, flaw: 'no packet was kept' };
  } finally {
    await capture.kill();
    rmSync(file, { force: true });
  }
}

const series = tsnetpcap('tsnetpcap, a series', '--ring', '48');

export const start: Benchmark = {
  name: 'start',
  title: 'How soon it captures',
  about: `Packets come at ${RATE.toLocaleString('en')} a second for ${SEC} s, numbered; then the program is started, with
everything in the page cache. Time from its exec to the kernel's time stamp of the first packet in its savefile, which is as
exact as packets come: 0.1 ms. Here we lose: Node itself takes longer than all of tcpdump's start.`,
  cells: [
    cell('plain', 'a single file', true, [ours, tcpdump, dumpcap]),
    cell('filter', 'a single file, a filter expression', false, [filtered(ours), filtered(tcpdump), filteredDumpcap()]),
    cell('series', 'a series with ring and ledger, against a single file', false, [series, tcpdump]),
  ],
  charts: [
    { id: 'first', title: 'Exec to the first packet kept', metric: 'first', cells: ['plain', 'filter', 'series'] },
  ],
};
