// Runs inside the virtual machine: starts the built program on cap0, sends numbered packets to it, sets the clock, and
// tells the machine outside. init starts it, with the kernel's command line as its environment; CHAOS says what to do.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuestEvent } from './guest-event.ts';
import { readOrder } from './order.ts';
import { buildPayload } from './payload.ts';

const PROGRAM = '/guest/dist/tsnetpcap.cjs';
const SAVEFILES = '/data';
/** Of gen0's network: needs no ARP. */
const BROADCAST = '10.77.0.255';
const DISCARD_PORT = 9;
const SEND_EVERY_MS = 10;

function tell(event: GuestEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

/** Sends `rate` packets a second of the monotonic clock until `signal`. */
async function send(first: number, rate: number, signal: AbortSignal): Promise<void> {
  const socket = createSocket('udp4');
  await new Promise<void>((done) => socket.bind(0, done));
  socket.setBroadcast(true);
  await new Promise<void>((done) => socket.connect(DISCARD_PORT, BROADCAST, done));
  const start = performance.now();
  let told = start;
  let next = first;
  while (!signal.aborted) {
    const due = first + Math.floor(((performance.now() - start) / 1000) * rate);
    const sending: Promise<unknown>[] = [];
    while (next < due) {
      const payload = buildPayload(next++);
      sending.push(
        new Promise<void>((done, failed) => socket.send(payload, (error) => (error ? failed(error) : done()))),
      );
    }
    await Promise.all(sending);
    if (performance.now() - told > 1000) {
      tell({ type: 'sent', next });
      told = performance.now();
    }
    await sleep(SEND_EVERY_MS);
  }
  tell({ type: 'sent', next });
  socket.close();
}

/** To the second: busybox's date(1) sets no fractions. */
function stepClock(bySec: number): void {
  const before = Date.now() - performance.now();
  execFileSync('date', ['-s', `@${Math.round(Date.now() / 1000) + bySec}`], { stdio: 'ignore' });
  tell({ type: 'step', byMs: Date.now() - performance.now() - before });
}

function tellPublished(): void {
  watch(SAVEFILES, (_, name) => {
    if (name?.endsWith('.pcap') !== true) return;
    const bytes = statSync(join(SAVEFILES, name), { throwIfNoEntry: false })?.size;
    if (bytes !== undefined) tell({ type: 'published', name, bytes });
  });
}

async function listening(capture: ChildProcess): Promise<void> {
  let stderr = '';
  capture.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  capture.on('close', (code) => tell({ type: 'ended', code, stderr }));
  while (!stderr.includes('listening on')) {
    if (capture.exitCode !== null) throw new Error(`the program ended early: ${stderr}`);
    await sleep(10);
  }
}

const { options, first, rate, stepEverySec, steps } = readOrder(process.env['CHAOS']);
try {
  tellPublished();
  const capture = spawn(process.execPath, [PROGRAM, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
  await listening(capture);
  tell({ type: 'capturing' });
  const enough = new AbortController();
  const sending = send(first, rate, enough.signal);
  if (steps.length === 0) await sending; // to the power cut
  for (const bySec of steps) {
    await sleep(stepEverySec * 1000);
    stepClock(bySec);
  }
  await sleep(stepEverySec * 1000);
  enough.abort();
  await sending;
  capture.kill('SIGTERM');
  await once(capture, 'close');
} catch (cause) {
  tell({ type: 'failed', reason: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) });
}
process.exit();
