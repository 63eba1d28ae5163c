// The programs that decide how many bytes of a packet are kept, and which flows: run by the kernel on packets of all shapes,
// and compared with the model of packet-model.ts. Needs root.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CompiledFilter, compileFilter, type FilterOptions } from '../../src/filter/compile.ts';
import { Namespace } from './namespace.ts';
import { headerBytes, type Link, nameOf, sampled } from './packet-model.ts';
import { anyPacket } from './random-packet.ts';
import { SocketFilter } from './socket-filter.ts';

let namespace: Namespace;
beforeAll(() => {
  namespace = new Namespace();
  namespace.ip('link add v0 type veth peer v1');
  for (const device of ['v0', 'v1']) namespace.ip(`link set ${device} up`);
  namespace.ip('tuntap add dev t0 mode tun');
  namespace.ip('link set t0 up');
});
afterAll(() => namespace.close());

const DEVICES: Readonly<Record<Link, string>> = { ethernet: 'v0', raw: 't0' };

function compile(options: Partial<FilterOptions>): CompiledFilter {
  const defaults = { device: 'v0', snaplen: 262144, linktype: undefined, expression: '', exclude: [] };
  return namespace.run(() => compileFilter({ ...defaults, ...options }));
}

/** `expected` bytes of each packet are kept, as far as it has them. */
function expectKept(link: Link, options: Partial<FilterOptions>, expected: (packet: Uint8Array) => number): void {
  const filter = new SocketFilter(compile({ ...options, device: DEVICES[link] }).program);
  try {
    const property = fc.property(anyPacket(link), (packet) => {
      expect(filter.passed(packet)).toBe(Math.min(packet.length, expected(packet)));
    });
    fc.assert(property, { numRuns: 3000 });
  } finally {
    filter.close();
  }
}

describe.each<Link>(['ethernet', 'raw'])('on %s', (link) => {
  test.each([262144, 60, 1])('--headers-only, --snaplen %i', (snaplen) => {
    expectKept(link, { headersOnly: true, snaplen }, (packet) => Math.min(snaplen, headerBytes(packet, link)));
  });

  test('--keep-names', () => {
    const bytes = { DNS: 512, TLS: 4096, QUIC: 1600 };
    expectKept(link, { keepNames: true, snaplen: 30 }, (packet) => {
      const name = nameOf(packet, link);
      return name === undefined ? 30 : bytes[name];
    });
  });

  test('--keep-names and --headers-only', () => {
    expectKept(link, { keepNames: true, headersOnly: true, snaplen: 40 }, (packet) =>
      nameOf(packet, link) === undefined ? Math.min(40, headerBytes(packet, link)) : 4096,
    );
  });

  test.each([1, 2, 7])('--sample-flows 1/%i', (flows) => {
    expectKept(link, { sampleFlows: flows, snaplen: 50 }, (packet) => (sampled(packet, link, flows) ? 50 : 0));
  });

  test('all at once', () => {
    const options = { sampleFlows: 3, keepNames: true, headersOnly: true, snaplen: 64 };
    expectKept(link, { ...options, snaplenFor: [{ expression: 'greater 1', bytes: 21 }] }, (packet) =>
      sampled(packet, link, 3) ? (packet.length > 0 ? 21 : 64) : 0,
    );
  });
});

describe('--sample-flows', () => {
  /** IPv4 and UDP. */
  function flow(source: number, destination: number, ports: readonly [number, number]): Uint8Array {
    const address = (host: number): number[] => [10, host >> 16, (host >> 8) & 255, host & 255];
    const start = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, ...address(source), ...address(destination)];
    return Uint8Array.from([...start, ...ports.flatMap((port) => [port >> 8, port & 255]), 0, 8, 0, 0]);
  }

  test('both directions of a flow alike, one flow of N', () => {
    const filter = new SocketFilter(compile({ device: 't0', sampleFlows: 8 }).program);
    try {
      let kept = 0;
      for (let index = 0; index < 8000; index++) {
        const [host, port] = [index % 97, 1024 + index];
        const there = filter.passed(flow(host, 0xfffe, [port, 443]));
        expect(filter.passed(flow(0xfffe, host, [443, port]))).toBe(there);
        kept += Number(there > 0);
      }
      expect(kept).toBeGreaterThan(800);
      expect(kept).toBeLessThan(1200);
    } finally {
      filter.close();
    }
  });
});

describe('--snaplen-for', () => {
  const tagged = (tags: number, port: number): Uint8Array => {
    const udp = [port >> 8, port & 255, 0, 9, 0, 88, 0, 0, ...new Array<number>(80).fill(1)];
    const ip = [0x45, 0, 0, 108, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, ...udp];
    const between = [0x88, 0xa8, 0, 1, 0x81, 0, 0, 2].slice(8 - 4 * tags);
    return Uint8Array.from([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, ...between, 8, 0, ...ip]);
  };

  test.each([0, 1, 2])('the first that matches holds, behind %i tags', (tags) => {
    const snaplenFor = [
      { expression: 'udp port 53', bytes: 70 },
      { expression: 'udp[0:2] = 80', bytes: 20 },
      { expression: 'udp', bytes: 90 },
      { expression: 'ip', bytes: 1 },
    ];
    const { program, snaplen } = compile({ snaplen: 30, snaplenFor });
    expect(snaplen).toBe(90);
    const filter = new SocketFilter(program);
    try {
      expect([53, 80, 81].map((port) => filter.passed(tagged(tags, port)))).toEqual([70, 20, 90]);
      // Cut so that no expression can be judged, or only the last: never dropped.
      expect(filter.passed(tagged(tags, 53).slice(0, 14 + 4 * tags))).toBe(1);
      expect(filter.passed(tagged(tags, 53).slice(0, 12))).toBe(12);
    } finally {
      filter.close();
    }
  });

  test('vlan is asked in its place', () => {
    const snaplenFor = [
      { expression: 'vlan 9', bytes: 20 },
      { expression: 'udp port 53', bytes: 70 },
      { expression: 'vlan', bytes: 60 },
    ];
    const filter = new SocketFilter(compile({ snaplen: 30, snaplenFor }).program);
    try {
      expect([53, 80].map((port) => filter.passed(tagged(0, port)))).toEqual([70, 30]);
      expect([53, 80].map((port) => filter.passed(tagged(1, port)))).toEqual([70, 60]);
    } finally {
      filter.close();
    }
  });
});

describe('refused', () => {
  const message = (options: Partial<FilterOptions>): string => {
    try {
      compile(options);
    } catch (cause) {
      if (cause instanceof Error) return cause.message;
    }
    throw new Error('it compiled');
  };

  test('a class that is no expression', () => {
    expect(message({ snaplenFor: [{ expression: 'foo bar', bytes: 9 }] })).toBe(
      "--snaplen-for foo bar=9: can't parse filter expression: syntax error",
    );
  });

  test.each([{ headersOnly: true }, { keepNames: true }, { sampleFlows: 2 }])(
    '%j on a link type of another layout',
    (options) => {
      const [option] = Object.keys(options).map((name) =>
        name.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`),
      );
      const text = `--${option}: link type DOCSIS, supported are EN10MB, LINUX_SLL, LINUX_SLL2 and RAW`;
      expect(message({ ...options, linktype: 'DOCSIS' })).toBe(text);
    },
  );

  test('too many instructions', () => {
    const snaplenFor = Array.from({ length: 120 }, (_, n) => ({
      expression: `tcp port ${n + 1} and ip[8] = ${n}`,
      bytes: 96,
    }));
    expect(message({ snaplenFor, keepNames: true })).toMatch(
      /^--keep-names, --snaplen-for: the kernel can't run this filter: it has \d{4,} instructions, the most is 4096$/,
    );
  });
});

test.each([
  [{}, 96],
  [{ keepNames: true }, 4096],
  [{ keepNames: true, headersOnly: true }, 4096],
  [{ headersOnly: true }, 96],
  [{ snaplenFor: [{ expression: 'udp', bytes: 65 }] }, 96],
  [{ snaplenFor: [{ expression: 'udp', bytes: 6500 }], keepNames: true }, 6500],
])('the savefile says the most that is kept: %j', (options, snaplen) => {
  expect(compile({ snaplen: 96, ...options }).snaplen).toBe(snaplen);
});
