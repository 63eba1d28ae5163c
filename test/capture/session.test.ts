// The loop of a capture with a scripted source and output: in which order it drains, closes on time and stops. What it
// does to real packets is in stop.test.ts and rotation.test.ts.
import { readFile } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Drained } from '../../src/capture/source.ts';
import { happened, log, NEVER, RECEIVED, ScriptedOutput, ScriptedSource, session } from './scripted.ts';

test('what is in the ring is written before the file that is due is closed', async () => {
  const output = new ScriptedOutput(NEVER);
  output.dueMs = Date.now() - 1000;
  const source = new ScriptedSource('more', 'more', 'held', 'more');
  const capture = session(source, output);
  source.onWait = () => capture.stop();
  await capture.run();
  expect(happened()).toEqual([
    'drain',
    'drain',
    'drain',
    'drain',
    'drain',
    'due',
    'wait',
    'refuse',
    'close',
    'settled',
  ]);
});

test('an output that takes nothing is tried again after a while, without spinning or waiting for packets', async () => {
  const source = new ScriptedSource('held', 'held', 'held', 'held');
  const capture = session(source, new ScriptedOutput(NEVER));
  source.onWait = () => capture.stop();
  await capture.run();
  expect(happened()).toEqual(['drain', 'drain', 'drain', 'drain', 'drain', 'wait', 'refuse', 'close', 'settled']);
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
  expect(happened()).toEqual(['drain', 'wait', 'drain', 'refuse', 'close', 'settled']);
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
  draining.pop(); // with the last packet it is over
  expect(happened()).toEqual(['drain', 'wait', 'refuse', ...draining, 'close', 'settled']);
});

test('a stop ends all the same when nothing comes any more', async () => {
  const source = new ScriptedSource();
  source.left = 1;
  const capture = session(source, new ScriptedOutput(NEVER));
  source.onWait = () => capture.stop();
  await capture.run();
  expect(happened().slice(-2)).toEqual(['close', 'settled']);
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
  expect(happened()).toEqual(['refuse', 'drain', 'close', 'settled']);
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
  expect(happened()).toEqual(['drain', 'drain', 'refuse', 'close', 'settled']);
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
  expect(happened()).toEqual(['drain', 'rotate', 'wait', 'drain', 'wait', 'refuse', 'close', 'settled']);
});

test('a source that fails: the file is closed, and the error goes on', async () => {
  const source = new ScriptedSource('more', () => {
    throw new Error('the ring is broken');
  });
  await expect(session(source, new ScriptedOutput(NEVER)).run()).rejects.toThrow('the ring is broken');
  expect(happened()).toEqual(['drain', 'drain', 'close', 'settled']);
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
  expect(happened().slice(-3)).toEqual(['refuse', 'close', 'settled']);
});

describe('an output that takes nothing', () => {
  test('for lack of storage: packets wait, and only where they become too many the oldest are given up', async () => {
    const output = new ScriptedOutput(NEVER);
    output.stuck = true;
    const source = new ScriptedSource(
      'held',
      'held',
      () => {
        source.crowded = true;
        return 'held';
      },
      () => {
        output.give(20);
        source.crowded = false;
        return 'more';
      },
      'held',
      () => {
        output.stuck = false;
        return 'empty';
      },
    );
    const capture = session(source, output);
    source.onWait = () => capture.stop();
    await capture.run();
    const steps = ['drain', 'drain', 'drain', 'lose', 'drain', 'drain', 'drain', 'wait', 'refuse', 'close', 'settled'];
    expect(happened()).toEqual(steps);
    expect(source.shares).toEqual([1, 1, 1, 1 / 4, 1, 1]);
    expect(capture.statistics()).toMatchObject({ written: 0, noSpace: 20 });
  });

  test('at the end, and storage still fails: what is left is lost, and counted', async () => {
    const output = new ScriptedOutput(NEVER);
    output.stuck = true;
    const source = new ScriptedSource();
    source.left = 90;
    source.rest = () => 'held';
    const capture = session(source, output);
    const running = capture.run();
    capture.stop();
    output.lose = (drain) => {
      source.rest = () => {
        output.noSpace += source.left;
        source.left = 0;
        return 'empty';
      };
      drain();
    };
    await running;
    expect(happened().slice(-3)).toEqual(['drain', 'close', 'settled']);
    expect(capture.statistics()).toMatchObject({ received: RECEIVED, dropped: 10, noSpace: 90, unread: 0 });
  });

  test('a rotation that was asked for waits until it takes something again', async () => {
    const source = new ScriptedSource('held', 'held');
    const capture = session(source, new ScriptedOutput(NEVER));
    capture.rotate();
    source.onWait = () => capture.stop();
    await capture.run();
    expect(happened()).toEqual(['drain', 'drain', 'drain', 'rotate', 'wait', 'refuse', 'close', 'settled']);
  });
});

test('what is told last is the balance of the capture', async () => {
  const output = new ScriptedOutput(30);
  output.late = 2;
  const source = new ScriptedSource(() => {
    output.write(30);
    return 'held';
  });
  source.left = 60;
  await session(source, output).run();
  expect(output.events).toEqual([
    {
      type: 'stop',
      received: 100,
      written: 30,
      dropped: 10,
      noSpace: 0,
      filtered: 0,
      unread: 60,
      ifDropped: 0,
      queueFreezes: 0,
      late: 2,
    },
  ]);
});
