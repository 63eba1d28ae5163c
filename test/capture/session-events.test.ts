import { describe, expect, test, vi } from 'vitest';
import type { Absence } from '../../src/capture/source.ts';
import { CaptureError } from '../../src/errors.ts';
import { happened, log, NEVER, notices, ScriptedOutput, ScriptedSource, session } from './scripted.ts';

describe('an interface that is away', () => {
  const away: Absence = { device: 'cap0', reason: 'down', fromMs: 1000 };
  const removed: Absence = { ...away, reason: 'removed' };
  const gap = { type: 'gap', device: 'cap0', fromMs: 1000, toMs: expect.any(Number) };

  /** Runs a capture that sees it as in each of `states`, one a wait, and is stopped then. */
  async function runWhile(states: readonly (Absence | undefined)[]): Promise<ScriptedOutput> {
    const output = new ScriptedOutput(NEVER);
    const source = new ScriptedSource();
    const capture = session(source, output);
    const left = [...states];
    source.onWait = () => {
      source.away = left.shift();
      if (left.length === 0) capture.stop();
    };
    await capture.run();
    expect(output.events.pop()?.type).toBe('stop');
    return output;
  }

  test('is told when it is back, as what it was in the end', async () => {
    const { events } = await runWhile([undefined, away, away, undefined, away, removed, undefined, undefined]);
    expect(events).toEqual([
      { ...gap, reason: 'down' },
      { ...gap, reason: 'removed' },
    ]);
  });

  test('is told at the end when it does not come back', async () => {
    expect((await runWhile([undefined, removed])).events).toEqual([{ ...gap, reason: 'removed' }]);
    expect((await runWhile([undefined, removed, removed])).events).toEqual([{ ...gap, reason: 'removed' }]);
  });

  test('is looked after while the output takes nothing', async () => {
    const output = new ScriptedOutput(NEVER);
    const source = new ScriptedSource('held', 'held', 'held');
    const capture = session(source, output);
    const states = [away, undefined];
    source.onLook = () => {
      source.away = states.shift();
    };
    source.onWait = () => capture.stop();
    await capture.run();
    expect(output.events[0]).toEqual({ ...gap, reason: 'down' });
  });

  test('for good: what it had brought is drained, then the error goes on', async () => {
    const output = new ScriptedOutput(NEVER);
    const source = new ScriptedSource('empty', () => {
      source.left = 0;
      return 'empty';
    });
    source.left = 5;
    source.onWait = () => {
      source.away = removed;
      source.onWait = () => {};
      throw new CaptureError('ERR_INTERFACE_GONE', 'cap0: the interface disappeared');
    };
    await expect(session(source, output).run()).rejects.toThrow('cap0: the interface disappeared');
    expect(happened()).toEqual(['drain', 'wait', 'refuse', 'drain', 'close', 'settled']);
    expect(output.events.map(({ type }) => type)).toEqual(['gap', 'stop']);
  });
});

describe('the clock', () => {
  const NOON = Date.parse('2026-03-01T12:00:00Z');

  /** Runs a capture that meanwhile sees the clock set by each of `steps`, in milliseconds, once a look at the clock. */
  async function runWhileSet(steps: readonly number[]): Promise<ScriptedOutput> {
    vi.useFakeTimers({ toFake: ['Date', 'performance'], now: NOON });
    const output = new ScriptedOutput(NEVER);
    const source = new ScriptedSource();
    const capture = session(source, output);
    const left = [...steps];
    source.onWait = () => {
      vi.advanceTimersByTime(1000); // of both clocks
      const step = left.shift();
      if (step === undefined) capture.stop();
      else vi.setSystemTime(Date.now() + step);
    };
    await capture.run();
    return output;
  }

  test('set forward and back is noticed and told, once each', async () => {
    const output = await runWhileSet([0, 7_200_000, 0, -7_200_250, 0, 1500]);
    expect(output.events.slice(0, -1)).toEqual([7_200_000, -7_200_250, 1500].map((byMs) => ({ type: 'step', byMs })));
    expect(notices).toEqual([
      'the clock was set forward by 7200 s',
      'the clock was set back by 7200.25 s',
      'the clock was set forward by 1.5 s',
    ]);
  });

  test('that drifts is not', async () => {
    const output = await runWhileSet([100, -100, 300, -400, 20, 20, 20, 400]);
    expect(output.events.map(({ type }) => type)).toEqual(['stop']);
    expect(notices).toEqual([]);
  });

  test('lets the output look after its own about once a second, however many packets come', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'], now: NOON });
    const source = new ScriptedSource();
    const capture = session(source, new ScriptedOutput(NEVER));
    let drains = 0;
    source.rest = () => {
      vi.advanceTimersByTime(10);
      if (++drains === 1000) capture.stop();
      return 'more';
    };
    await capture.run();
    expect(log.filter((entry) => entry === 'output tick')).toHaveLength(10);
  });
});

test('an observer is told once a look at all packets is behind, and before the last ones are drained', async () => {
  const source = new ScriptedSource('more', 'empty');
  const capture = session(source, new ScriptedOutput(NEVER));
  source.onWait = () => capture.stop();
  await capture.run({ alive: () => log.push('alive'), stopping: () => log.push('stopping') });
  expect(happened().slice(0, 2)).toEqual(['drain', 'alive']);
  expect(happened()).toEqual(expect.arrayContaining(['stopping']));
  expect(happened().indexOf('stopping')).toBe(happened().indexOf('refuse') - 1);
});
