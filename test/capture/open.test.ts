// A capture as a program opens it: defaults for all but the output, a function that gets the packets, numbers out of bounds
// refused. The programs run in a lab, against the built package; needs root, and fails without it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { openCapture } from '../../src/capture/open.ts';
import type { CaptureRequest } from '../../src/capture/options.ts';
import { OptionError } from '../../src/errors.ts';
import { type Ended, Program } from '../program.ts';

const PACKAGE = new URL('../../dist/index.js', import.meta.url).href;

let lab: Lab;
beforeAll(() => {
  lab = Lab.create();
});
afterAll(() => lab?.remove());

/** A module that opens a capture, says so, and at the end prints what was collected in `seen`, and the statistics. */
function program(options: string): string {
  return `
    import { openCapture } from '${PACKAGE}';
    const seen = [];
    const sequence = (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).readUInt32BE(42);
    const { session, source, description } = await openCapture(${options});
    process.on('SIGTERM', () => session.stop());
    process.stderr.write('listening on ' + description + '\\n');
    let failure = '';
    try {
      await session.run();
    } catch (cause) {
      failure = cause.message;
    } finally {
      source.close();
    }
    process.stdout.write(JSON.stringify({ seen, failure, statistics: session.statistics() }));
  `;
}

/** Runs it until `during` has resolved and it has ended, by SIGTERM if need be. */
async function run(source: string, during: () => Promise<unknown>): Promise<Ended> {
  const running = new Program(lab, [process.execPath, '--input-type=module', '-e', source]);
  try {
    await running.says(/listening on .*\n/);
    await during();
    if (!running.ended) running.signal('SIGTERM');
    const code = await running.exit();
    return { code, stdout: running.stdout, stderr: running.stderr };
  } finally {
    await running.kill();
  }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

describe('packets for a function', () => {
  test.each(['micro', 'nano'])(
    'every packet once, in order, as it was sent, at its own time; %s',
    async (precision) => {
      const each = `({ sec, nsec, caplen, len, data, linktype }) =>
      seen.push([sequence(data), sec + nsec / 1e9, nsec % 1000 === 0, caplen, data.length, len, linktype])`;
      const options = `{ device: 'cap0', snaplen: 64, precision: '${precision}', output: { kind: 'packets', each: ${each} } }`;
      const beforeSec = Date.now() / 1000;
      const { code, stdout, stderr } = await run(program(options), () => offer(lab, { count: 20_000, send: true }));
      const afterSec = Date.now() / 1000;
      expect(stderr).toBe('listening on cap0, link-type EN10MB (Ethernet), snapshot length 64 bytes\n');
      expect(code).toBe(0);
      const { seen, failure, statistics } = JSON.parse(stdout);
      expect(failure).toBe('');
      expect(statistics).toMatchObject({ received: 20_000, written: 20_000, dropped: 0, unread: 0 });
      expect(seen.map(([sequence]: number[]) => sequence)).toEqual(upTo(20_000));
      expect(seen.every((packet: unknown[]) => packet.slice(3).join() === '64,64,128,1')).toBe(true);
      expect(seen.every(([, time]: number[]) => (time ?? 0) >= beforeSec && (time ?? 0) <= afterSec)).toBe(true);
      expect(seen.every(([, , micro]: boolean[]) => micro)).toBe(precision === 'micro');
    },
  );

  test('a count ends it', async () => {
    const options =
      "{ device: 'cap0', count: 10, output: { kind: 'packets', each: ({ data }) => seen.push(sequence(data)) } }";
    const { stdout } = await run(program(options), () => offer(lab, { count: 1000, send: true }));
    const { seen, statistics } = JSON.parse(stdout);
    expect(seen).toEqual(upTo(10));
    expect(statistics.written).toBe(10);
    expect(statistics.received).toBe(10 + statistics.unread);
  });

  test('what it throws ends the capture, and the balance holds', async () => {
    const each = "({ data }) => { seen.push(sequence(data)); if (seen.length === 300) throw new Error('enough'); }";
    const options = `{ device: 'cap0', output: { kind: 'packets', each: ${each} } }`;
    const { code, stdout } = await run(program(options), () => offer(lab, { count: 1000, send: true }));
    const { seen, failure, statistics } = JSON.parse(stdout);
    expect({ code, failure, seen }).toEqual({ code: 0, failure: 'enough', seen: upTo(300) });
    expect(statistics.written).toBe(300);
    expect(statistics.received).toBe(300 + statistics.unread + statistics.dropped);
  });
});

test('an output is enough: any interface, whole packets', async () => {
  const options = "{ output: { kind: 'packets', each: ({ len, linktype }) => seen.push([len, linktype]) } }";
  const { code, stdout, stderr } = await run(program(options), () => offer(lab, { count: 100, send: true }));
  expect(stderr).toBe('listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 262144 bytes\n');
  expect(code).toBe(0);
  const { seen, statistics } = JSON.parse(stdout);
  expect(statistics.written).toBe(200); // as they leave gen0 and as they reach cap0
  expect(seen).toHaveLength(200);
  // SLL2 in place of Ethernet.
  expect(seen.every((packet: unknown[]) => packet.join() === `${128 - 14 + 20},276`)).toBe(true);
});

describe('refused before anything is opened', () => {
  const output = { kind: 'packets', each: () => {} } as const;

  test.each<[Partial<CaptureRequest>, string]>([
    [{ snaplen: 0 }, 'snaplen 0: expected a whole number from 1 to 262144'],
    [{ snaplen: 262145 }, 'snaplen 262145: expected'],
    [{ snaplen: 96.5 }, 'snaplen 96.5: expected'],
    [{ snaplenFor: [{ expression: 'udp', bytes: 0 }] }, 'snaplenFor 0: expected'],
    [{ sampleFlows: 0 }, 'sampleFlows 0: expected'],
    [{ ringMemory: 1023 }, 'ringMemory 1023: expected a whole number from 1024 to 4294967296'],
    [{ count: 0 }, 'count 0: expected'],
    [{ count: Number.NaN }, 'count NaN: expected'],
    [{ durationMs: -1 }, 'durationMs -1: expected milliseconds, or Infinity'],
    [{ durationMs: Number.NaN }, 'durationMs NaN: expected'],
  ])('%j', async (options, said) => {
    const opened = openCapture({ device: 'no-such-interface', ...options, output });
    await expect(opened).rejects.toThrow(OptionError);
    await expect(opened).rejects.toThrow(said);
  });

  test('what is undefined is not said: it is the interface that is wrong', async () => {
    const unsaid = { snaplen: undefined, expression: undefined, count: undefined, ringMemory: undefined };
    const opened = openCapture({ device: 'no-such-interface', ...unsaid, output });
    await expect(opened).rejects.toMatchObject({ name: 'PcapError' });
  });
});
