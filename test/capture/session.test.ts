// The loop of a capture with a scripted source and output: in which order it drains, closes on time and stops. What it
// does to real packets is in stop.test.ts and rotation.test.ts.
import { readFile } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, expect, test } from 'vitest';
import { CaptureSession } from '../../src/capture/session.ts';
import type { Drained, PacketSource, SourceStatistics } from '../../src/capture/source.ts';
import { Output } from '../../src/savefile/output.ts';
import type { RecordSink } from '../../src/savefile/sink.ts';
import type { PcapWriter } from '../../src/savefile/writer.ts';

/** Long for a machine that is busy, and shorter than the test takes in which packets keep coming. */
const SETTLE_MS = 150;
const RECEIVED = 100;
const NEVER = Number.POSITIVE_INFINITY;

/** Whatever happens to the source and the output, in order. */
let log: string[] = [];

class ScriptedOutput extends Output {
  readonly name = 'scripted';
  dueMs = NEVER;

  /** It is never asked to write: the source below counts its packets itself. */
  protected get writer(): PcapWriter {
    throw new Error('unreachable: no source takes bytes');
  }

  write(records: number): void {
    this.written += records;
    this.limits.records -= records;
  }

  cut(): void {
    log.push('cut');
  }

  due(): void {
    log.push('due');
    this.dueMs = NEVER;
  }

  rotate(): void {
    log.push('rotate');
  }

  close(): void {
    log.push('close');
  }
}

/** Each `drain()` does the next of `steps`, then always `rest`. */
class ScriptedSource implements PacketSource {
  left = 0;
  rest: () => Drained = () => 'empty';
  readonly waitedMs: number[] = [];
  onWait: () => void = () => undefined;
  readonly #steps: (() => Drained)[];

  constructor(...steps: (Drained | (() => Drained))[]) {
    this.#steps = steps.map((step) => (typeof step === 'string' ? () => step : step));
  }

  wait(timeoutMs: number): void {
    log.push('wait');
    this.waitedMs.push(timeoutMs);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.min(timeoutMs, 10));
    this.onWait();
  }

  drain(_sink: RecordSink): Drained {
    log.push('drain');
    return (this.#steps.shift() ?? this.rest)();
  }

  refuse(): void {
    log.push('refuse');
  }

  pending(): number {
    return this.left;
  }

  statistics(): SourceStatistics {
    return { received: RECEIVED, dropped: 10, queueFreezes: 0, ifDropped: 0 };
  }

  close(): void {
    log.push('source closed');
  }
}

const ticker = setInterval(() => log.push('tick'), 1);
afterAll(() => clearInterval(ticker));
afterEach(() => {
  log = [];
});

function session(source: PacketSource, output: Output, durationMs: number = NEVER): CaptureSession {
  return new CaptureSession(source, output, { durationMs, settleMs: SETTLE_MS });
}

/** What happened, without the ticks of the event loop. */
const happened = (): string[] => log.filter((entry) => entry !== 'tick');

test('what is in the ring is written before the file that is due is closed', async () => {
  const output = new ScriptedOutput(NEVER);
  output.dueMs = Date.now() - 1000;
  const source = new ScriptedSource('more', 'more', 'held', 'more');
  const capture = session(source, output);
  source.onWait = () => capture.stop();
  await capture.run();
  expect(happened()).toEqual(['drain', 'drain', 'drain', 'drain', 'drain', 'due', 'wait', 'refuse', 'close']);
});

test('an output that takes nothing is tried again after a while, without spinning or waiting for packets', async () => {
  const source = new ScriptedSource('held', 'held', 'held', 'held');
  const capture = session(source, new ScriptedOutput(NEVER));
  source.onWait = () => capture.stop();
  await capture.run();
  expect(happened()).toEqual(['drain', 'drain', 'drain', 'drain', 'drain', 'wait', 'refuse', 'close']);
  const tries = log.join(' ').split('drain').slice(1, 5);
  for (const between of tries) expect(between).toContain('tick'); // a timer of 1 ms had its turn
});

test('it waits up to a second, the time the file is due, or the end, whichever is first', async () => {
  const output = new ScriptedOutput(NEVER);
  const source = new ScriptedSource();
  const capture = session(source, output, 60_000);
  source.onWait = () => {
    if (source.waitedMs.length === 1) output.dueMs = Date.now() + 300;
    else capture.stop();
  };
  await capture.run();
  const [first = 0, second = 0] = source.waitedMs;
  expect(first).toBe(1000);
  expect(second).toBeGreaterThan(0);
  expect(second).toBeLessThanOrEqual(300);
  const brief = new ScriptedSource();
  await session(brief, new ScriptedOutput(NEVER), 50).run();
  expect(Math.max(...brief.waitedMs)).toBeLessThanOrEqual(50);
});

test('a duration ends it by itself, and what is still coming in is drained', async () => {
  const source = new ScriptedSource(
    () => 'empty',
    () => {
      source.left = 0;
      return 'empty';
    },
  );
  source.left = 5;
  await session(source, new ScriptedOutput(NEVER), 1).run();
  expect(happened()).toEqual(['drain', 'wait', 'drain', 'refuse', 'close']);
});

test('a stop refuses new packets and drains those accepted before, however long they keep coming', async () => {
  const arrive = (): Drained => {
    source.left--;
    return 'empty';
  };
  // A packet after every 10 ms: in all it takes much longer than the kernel needs to hand over one block.
  const source = new ScriptedSource('empty', ...Array.from({ length: 20 }, () => arrive));
  source.left = 20;
  const capture = session(source, new ScriptedOutput(NEVER));
  source.onWait = () => capture.stop();
  await capture.run();
  expect(source.left).toBe(0);
  const draining = Array.from({ length: 20 }, () => ['drain', 'wait']).flat();
  expect(happened()).toEqual(['drain', 'wait', 'refuse', ...draining, 'close']);
});

test('a stop ends all the same when nothing comes any more', async () => {
  const source = new ScriptedSource();
  source.left = 1;
  const capture = session(source, new ScriptedOutput(NEVER));
  source.onWait = () => capture.stop();
  await capture.run();
  expect(happened().slice(-1)).toEqual(['close']);
  expect(happened().filter((entry) => entry === 'drain').length).toBeGreaterThan(1);
});

test('a stop while the output takes nothing: it gets its chance', async () => {
  const output = new ScriptedOutput(NEVER);
  const source = new ScriptedSource('held', 'held', 'held', () => {
    output.write(90);
    source.left = 0;
    return 'empty';
  });
  source.left = 90;
  const capture = session(source, output);
  const running = capture.run();
  capture.stop();
  await running;
  expect(capture.statistics()).toMatchObject({ written: 90, unread: 0 });
});

test('a stop before the start captures nothing, but drains what came since the socket was bound', async () => {
  const source = new ScriptedSource(() => {
    source.left = 0;
    return 'empty';
  });
  source.left = 3;
  const capture = session(source, new ScriptedOutput(NEVER));
  capture.stop();
  await capture.run();
  expect(happened()).toEqual(['refuse', 'drain', 'wait', 'close']);
});

test('the count is reached: no further drain, and what was accepted beyond it is said', async () => {
  const output = new ScriptedOutput(30);
  const source = new ScriptedSource(
    () => {
      output.write(10);
      return 'more';
    },
    () => {
      output.write(20);
      return 'held';
    },
  );
  source.left = 60;
  const capture = session(source, output);
  await capture.run();
  expect(happened()).toEqual(['drain', 'drain', 'refuse', 'close']);
  expect(capture.statistics()).toMatchObject({ received: RECEIVED, dropped: 10, written: 30, unread: 60 });
});

test('a rotation that was asked for comes once, after what is in the ring', async () => {
  const source = new ScriptedSource('empty', 'empty');
  const capture = session(source, new ScriptedOutput(NEVER));
  capture.rotate();
  capture.rotate();
  source.onWait = () => {
    if (source.waitedMs.length === 2) capture.stop();
  };
  await capture.run();
  expect(happened()).toEqual(['drain', 'rotate', 'wait', 'drain', 'wait', 'refuse', 'close']);
});

test('a source that fails: the file is closed, and the error goes on', async () => {
  const source = new ScriptedSource('more', () => {
    throw new Error('the ring is broken');
  });
  await expect(session(source, new ScriptedOutput(NEVER)).run()).rejects.toThrow('the ring is broken');
  expect(happened()).toEqual(['drain', 'drain', 'close']);
});

test('a signal that ends the first wait is seen before the next one', async () => {
  const source = new ScriptedSource();
  const capture = session(source, new ScriptedOutput(NEVER));
  const stop = (): void => capture.stop();
  process.on('SIGUSR2', stop);
  source.onWait = () => {
    if (source.waitedMs.length === 1) process.kill(process.pid, 'SIGUSR2');
    if (source.waitedMs.length === 5) capture.stop(); // for the test's own end
  };
  try {
    // Programs begin in a callback of the event loop's poll phase, which the signal's comes after.
    await new Promise<void>((resolve, reject) => {
      readFile(import.meta.filename, () => capture.run().then(resolve, reject));
    });
    expect(source.waitedMs.length).toBe(1);
  } finally {
    process.off('SIGUSR2', stop);
  }
});

test('the event loop turns while packets come without end', async () => {
  const source = new ScriptedSource();
  source.rest = () => 'more';
  const capture = session(source, new ScriptedOutput(NEVER));
  const running = capture.run();
  await setTimeout(5);
  capture.stop();
  await running;
  expect(happened().slice(-2)).toEqual(['refuse', 'close']);
});
