// `burst`: how many packets the ring holds while nobody reads it. The capture is stopped by SIGSTOP, more packets than fit
// come at full speed, it goes on: what it then has of them is what the kernel found room for.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSavefile } from '../src/savefile/reading/open.ts';
import { readPackets } from '../src/savefile/reading/read-packets.ts';
import { CaptureProcess } from './capture-process.ts';
import type { Bench, Benchmark, Cell, Measured } from './cell.ts';
import { type Contestant, ours, tcpdump, tcpdumpByDefault } from './contestants.ts';
import { readSequence } from './frames.ts';
import { flawOf } from './judge.ts';
import { offer } from './offer.ts';
import { inTurns } from './turns.ts';

const MIB = 2 ** 20;
const RINGS_MIB = [2, 16, 64] as const;
const DEFAULT_RING = 2 * MIB;
const SNAPLEN = 96;
/**
 * Of a packet of which 96 bytes are kept: tpacket3_hdr, sockaddr_ll and padding before them, 82, and padding to 8 behind
 * (native-notes/ring-layout.md).
 */
export const RING_BYTES_A_PACKET = 184;
/** Of what fits. */
const BURST = 1.3;
const POLL_MS = 5;

export function packetsOf(ringMemory: number): number {
  return Math.floor(ringMemory / RING_BYTES_A_PACKET);
}

const cells = RINGS_MIB.map((mib): Cell => {
  const ringMemory = mib * MIB;
  return {
    id: `ring-${mib}`,
    title: `ring of ${mib} MiB`,
    short: mib === 16,
    peer: tcpdump.name,
    metrics: [
      { key: 'kept', title: 'longest burst without loss', unit: 'packets', better: 'more', digits: 0 },
      { key: 'theory', title: 'ring memory by bytes of a packet', unit: 'packets', better: 'neither', digits: 0 },
      { key: 'used', title: 'of that', unit: '%', better: 'neither', digits: 1 },
    ],
    settings: { snaplen: SNAPLEN, ringMemory, burst: BURST, ringBytesOfAPacket: RING_BYTES_A_PACKET },
    measure: (bench) =>
      inTurns(bench, [ours, tcpdump, tcpdumpByDefault], (contestant, round) =>
        run(bench, contestant, ringMemory, round),
      ),
  };
});

async function run(bench: Bench, contestant: Contestant, ringMemory: number, round: number): Promise<Measured> {
  const { lab, signal } = bench;
  const settings = { snaplen: SNAPLEN, ringMemory };
  const file = join(bench.directory, 'burst.pcap');
  const capture = await CaptureProcess.hold(lab, contestant.argv(bench.program, file, settings), signal);
  try {
    capture.release(contestant.stdin?.(settings));
    await capture.says(contestant.listening, signal);
    process.kill(capture.pid, 'SIGSTOP');
    await stopped(capture.pid, signal);
    const offered = await offer(lab, { count: Math.ceil(packetsOf(ringMemory) * BURST), numbered: true }, signal);
    process.kill(capture.pid, 'SIGCONT');
    await capture.quiet(signal);
    await capture.stop();
    const { kept, last } = await readNumbers(file);
    const counts = contestant.counts(capture.said, offered);
    const flaw = flawOf({ ...counts, offered, written: kept }) ?? flawOfBurst(offered, kept, last);
    const theory = packetsOf(contestant === tcpdumpByDefault ? DEFAULT_RING : ringMemory);
    const values = { kept, theory, used: (100 * kept) / theory };
    return { program: contestant.name, round, values, ...(flaw !== undefined && { flaw }) };
  } finally {
    await capture.kill();
    rmSync(file, { force: true });
  }
}

function flawOfBurst(offered: number, kept: number, last: number): string | undefined {
  if (last !== kept - 1) return `${kept} packets kept, and not the first ones: the last is number ${last}`;
  return kept === offered ? `all ${offered} packets were kept: the burst was too short` : undefined;
}

/** SIGSTOP has arrived: state T of proc_pid_stat(5). */
async function stopped(pid: number, signal: AbortSignal): Promise<void> {
  while (!/^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, 'latin1')))
    await sleep(POLL_MS, undefined, { signal });
}

async function readNumbers(file: string): Promise<{ readonly kept: number; readonly last: number }> {
  let [kept, last] = [0, -1];
  for await (const { data } of readPackets(await openSavefile(file))) {
    last = readSequence('udp4', data);
    kept++;
  }
  return { kept, last };
}

export const burst: Benchmark = {
  name: 'burst',
  title: 'The longest burst',
  about: `Packets of 128 bytes at full generator speed, snaplen ${SNAPLEN}, while the capture is stopped (SIGSTOP): as long
as a disk that does not answer, or a scheduler that is busy elsewhere. ${BURST} times as many come as should fit; the packets
are numbered, and those kept must be the first of them without a gap, so their number is the longest burst without loss. Beside
it stands what the ring's memory would hold by the ${RING_BYTES_A_PACKET} bytes that a packet takes in it; what is missing are
the ends of blocks, and the rest of a block that the kernel hands over unfilled when its time is up.`,
  cells,
  charts: [{ id: 'kept', title: 'Longest burst without loss', metric: 'kept', cells: cells.map(({ id }) => id) }],
};
