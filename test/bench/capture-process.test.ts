// What is accounted to a program is what it used, and its end is seen. Needs root, and fails without it.
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CaptureProcess } from '../../bench/capture-process.ts';
import { Lab } from '../../bench/lab.ts';

const never = new AbortController().signal;
let lab: Lab;

beforeAll(() => {
  lab = Lab.create();
});
afterAll(() => lab?.remove());

/** Says so, then works or waits; at SIGTERM the end of the script. */
async function start(work: string, atEnd: string): Promise<CaptureProcess> {
  const script = `trap '${atEnd}' TERM; echo listening; ${work}; while :; do sleep 0.05; done`;
  const capture = await CaptureProcess.hold(lab, ['bash', '-c', script], never);
  capture.release();
  await capture.says(/listening/, never);
  return capture;
}

test('CPU time is its own: what was before exec is not, what is behind the stop is in the whole', async () => {
  const busy = 'for ((i = 0; i < 300000; i++)); do :; done';
  const capture = await start(busy, `${busy}; exit 0`);
  await capture.quiet(never);
  const { cpuSec, captureSec, peakRss } = await capture.stop();
  const again = await start(':', 'exit 0');
  const idle = await again.stop();
  expect(captureSec).toBeGreaterThan(3 * idle.captureSec);
  expect(cpuSec).toBeGreaterThan(1.5 * captureSec);
  expect(peakRss).toBeGreaterThan(1e6);
  expect(peakRss).toBeLessThan(5e7); // of bash, not of the process that started it
});

test('stdin is what was given', async () => {
  const script = 'cat; echo done; trap "exit 0" TERM; while :; do sleep 0.05; done';
  const capture = await CaptureProcess.hold(lab, ['sh', '-c', script], never);
  try {
    expect(capture.said).toBe('held\n');
    capture.release('one\ntwo\n');
    await capture.says(/done/, never);
    expect(capture.said).toBe('held\none\ntwo\ndone\n');
    await capture.stop();
  } finally {
    await capture.kill();
  }
});

test('what does not start or end well is an error with its words', async () => {
  const broken = await CaptureProcess.hold(lab, ['sh', '-c', 'echo no such device >&2; exit 1'], never);
  broken.release();
  await expect(broken.says(/listening/, never)).rejects.toThrow('ended at once: no such device');
  await expect(broken.stop()).rejects.toThrow('ended too early');
  const failing = await start(':', 'echo disk full; exit 3');
  await expect(failing.stop()).rejects.toThrow(/exit code 3: (.|\n)*disk full/);
  const killed = await start(':', 'exit 0');
  await killed.kill();
  expect(execFileSync('ip', ['netns', 'pids', lab.name], { encoding: 'utf8' })).toBe('');
});

test('an interrupt ends a wait', async () => {
  const interrupt = new AbortController();
  const capture = await CaptureProcess.hold(lab, ['sleep', '60'], never);
  const waiting = expect(capture.says(/listening/, interrupt.signal)).rejects.toThrow('aborted');
  interrupt.abort();
  await waiting;
  await capture.kill();
});
