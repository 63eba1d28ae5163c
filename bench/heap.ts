// `npm run bench:heap`: what a capture allocates on JavaScript's heap, a packet, by the word of V8's garbage collector. Only
// what is done once a packet can show here: start and wake-ups are some hundred bytes each. Needs root and a built program.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseWhole } from '../src/capture/values.ts';
import { CAPTURE, Lab } from './lab.ts';
import { offer } from './offer.ts';

const PROGRAM = fileURLToPath(new URL('../dist/tsnetpcap.cjs', import.meta.url));
const SETTLE_MS = 1000;

/** Heap in MiB before and after each collection, in order: `Scavenge 5.3 (6.5) -> 4.7 (7.0) MB`. */
function collections(trace: string): { readonly before: number; readonly after: number }[] {
  const found = trace.matchAll(/ ([\d.]+) \([\d.]+\) -> ([\d.]+) \([\d.]+\) MB/g);
  return [...found].map(([, before, after]) => ({ before: Number(before), after: Number(after) }));
}

/** The trace of a capture of `count` packets of `interface`. */
async function capture(lab: Lab, file: string, count: number): Promise<string> {
  const argv = [process.execPath, '--trace-gc', PROGRAM, '-i', CAPTURE.name, '-s', '96', '-w', file];
  const [program, ...args] = lab.command(argv);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const closed = once(child, 'close');
  let trace = '';
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    trace += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  try {
    while (!said.includes('listening on')) await sleep(10);
    if (count > 0) await offer(lab, { count });
    await sleep(SETTLE_MS);
  } finally {
    child.kill('SIGTERM');
    await closed;
  }
  if (!said.includes(`\n${count} packets captured`)) throw new Error(`not ${count} packets: ${said}`);
  return trace;
}

const { values } = parseArgs({
  options: { packets: { type: 'string', default: '8000000' }, out: { type: 'string', default: tmpdir() } },
});
const packets = parseWhole('--packets', values.packets, 1, 1_000_000_000);
const lab = Lab.create();
const directory = mkdtempSync(join(values.out, 'tsnetpcap-heap-'));
try {
  const allocated = async (count: number): Promise<number> => {
    const steps = collections(await capture(lab, join(directory, 'heap.pcap'), count));
    const sum = steps.reduce((mib, { before }, index) => mib + before - (steps[index - 1]?.after ?? 0), 0);
    const end = steps.at(-1)?.after ?? 0;
    process.stdout.write(`${count} packets: ${steps.length} collections of ${sum.toFixed(1)} MiB, ${end} MiB stay\n`);
    return sum;
  };
  const start = await allocated(0);
  const bytes = (((await allocated(packets)) - start) * 2 ** 20) / packets;
  process.stdout.write(`${bytes.toFixed(2)} bytes a packet\n`);
} finally {
  rmSync(directory, { recursive: true });
  lab.remove();
}
