// compileFilter on interfaces of a namespace: against tcpdump where both print the same, on lo, and what it refuses.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CompiledFilter, compileFilter, type FilterOptions } from '../../src/filter/compile.ts';
import { Program } from '../../src/filter/program.ts';
import { if_nametoindex } from '../../src/native/libc.ts';
import { Namespace } from './namespace.ts';

let namespace: Namespace;
beforeAll(() => {
  namespace = new Namespace();
  namespace.ip('link add v0 type veth peer v1');
  for (const device of ['v0', 'v1']) namespace.ip(`link set ${device} up`);
  namespace.ip('address add 10.9.8.7/24 dev v0');
  namespace.ip('link add down0 type veth peer down1');
  namespace.ip('tuntap add dev t0 mode tun');
  namespace.ip('link set t0 up');
});
afterAll(() => namespace.close());

function compile(options: Partial<FilterOptions>): CompiledFilter {
  const defaults = { device: 'v0', snaplen: 262144, linktype: undefined, expression: '', exclude: [] };
  return namespace.run(() => compileFilter({ ...defaults, ...options }));
}

function error(options: Partial<FilterOptions>): object {
  try {
    compile(options);
  } catch (cause) {
    if (cause instanceof Error) return { ...cause, cause: undefined, message: cause.message };
  }
  throw new Error('it compiled');
}

describe('as tcpdump', () => {
  const expressions = [
    '',
    'not net 10.137.0.0/16',
    'port 53 or icmp6',
    'vlan 5 and tcp[tcpflags] & tcp-syn != 0',
    'ip broadcast',
    'ip[ip[0] & 0xf] = 7',
    'len > 100',
    'ip6 and not host 2001:db8::1',
    // jumps farther than a conditional jump reaches
    Array.from({ length: 120 }, (_, host) => `src host 10.${host % 7}.${host * 2}.1`).join(' or '),
  ];
  test.each(expressions)('-d -dd -ddd of %j', (expression) => {
    const { program } = compile({ expression });
    for (const [index, flag] of ['-d', '-dd', '-ddd'].entries()) {
      expect(program.dump(index + 1)).toBe(namespace.exec('tcpdump', flag, '-i', 'v0', ...expression.split(' ')));
    }
  });

  test('-s is what is returned', () => {
    const { program } = compile({ expression: 'udp', snaplen: 96 });
    expect(program.dump(1)).toBe(namespace.exec('tcpdump', '-d', '-s', '96', '-i', 'v0', 'udp'));
  });
});

describe('devices', () => {
  test('Ethernet', () => {
    expect(compile({ snaplen: 96 })).toMatchObject({
      device: 'v0',
      linktype: 1,
      linktypeName: 'EN10MB',
      linktypeDescription: 'Ethernet',
      snaplen: 96,
      warnings: [],
    });
  });

  test('raw IP has another number in savefiles than in libpcap', () => {
    expect(compile({ device: 't0', expression: 'host 10.0.0.1' })).toMatchObject({
      linktype: 101,
      linktypeName: 'RAW',
      linktypeDescription: 'Raw IP',
    });
  });

  test('an exclusion on raw IP', () => {
    const { program } = compile({ device: 't0', exclude: ['10.0.0.0/8', 'fd00::/8'] });
    expect(program.dump(1)).not.toContain('[proto]');
  });

  test.each([
    [undefined, 276, 'LINUX_SLL2', 'Linux cooked v2', 76],
    ['LINUX_SLL2', 276, 'LINUX_SLL2', 'Linux cooked v2', 76],
    ['LINUX_SLL', 113, 'LINUX_SLL', 'Linux cooked v1', 80],
    ['linux_sll', 113, 'LINUX_SLL', 'Linux cooked v1', 80],
  ])('any, -y %s', (linktype, number, linktypeName, linktypeDescription, kept) => {
    const filter = compile({ device: 'any', linktype, snaplen: 96 });
    expect(filter).toMatchObject({
      linktype: number,
      linktypeName,
      linktypeDescription,
      snaplen: 96,
      warnings: [`data link type ${linktypeName}`],
    });
    expect(returns(filter)).toEqual([kept, 0]);
  });

  test.each([
    ['in', 'v0'],
    ['out', 'v0'],
  ] as const)('-Q %s is the first thing that the program asks', (direction, device) => {
    const { program } = compile({ device, direction, expression: 'udp' });
    const rest = compile({ device, expression: 'udp' }).program.length;
    expect(program.dump(1)).toMatch(
      direction === 'in'
        ? /^\(000\) ld {7}\[type\]\n\(001\) jeq {6}#0x4 {13}jt \d\d\tjf 2\n/
        : /^\(000\) ld {7}\[type\]\n\(001\) jeq {6}#0x4 {13}jt 2\tjf \d\d\n/,
    );
    expect(program.length).toBe(rest + 3);
  });

  test('a snaplen that leaves nothing of a packet is raised', () => {
    const filter = compile({ device: 'any', snaplen: 10 });
    expect(filter).toMatchObject({
      snaplen: 21,
      warnings: ['data link type LINUX_SLL2', 'WARNING: snaplen raised from 10 to 21'],
    });
    expect(returns(filter)).toEqual([1, 0]);
  });

  test('a number is the one of -D', () => {
    const numbers = namespace.exec('tcpdump', '-D').split('\n');
    const number = numbers.findIndex((line) => /^\d+\.v1 /.test(line)) + 1;
    expect(compile({ device: `${number}` }).device).toBe('v1');
  });

  test.each([
    ['nosuch0', 'PCAP_ERROR_NO_SUCH_DEVICE', 'nosuch0: No such device exists; -D lists them'],
    ['down0', 'PCAP_ERROR_IFACE_NOT_UP', 'down0: That device is not up'],
    ['999', 'ERR_OPTION', expect.stringMatching(/^-i 999: expected a number from 1 to \d+, as in -D$/)],
    ['0', 'ERR_OPTION', expect.stringMatching(/^-i 0: expected a number from 1 to \d+, as in -D$/)],
  ])('%s', (device, code, message) => {
    expect(error({ device })).toMatchObject({ code, message });
  });

  test.each([
    ['nosuch', '-y nosuch: any offers LINUX_SLL, LINUX_SLL2'],
    ['EN10MB', '-y EN10MB: any offers LINUX_SLL, LINUX_SLL2'],
    ['', "-y '': any offers LINUX_SLL, LINUX_SLL2"],
  ])('-y %s', (linktype, message) => {
    expect(error({ device: 'any', linktype })).toMatchObject({ code: 'ERR_OPTION', option: '-y', message });
  });
});

function returns({ program }: CompiledFilter): number[] {
  return program
    .instructions()
    .filter(({ code }) => code === 6)
    .map(({ k }) => k);
}

describe('loopback', () => {
  test.each(['lo', 'any'])('the copy that leaves is dropped before all else, on %s', (device) => {
    const ifindex = namespace.run(() => if_nametoindex('lo'));
    expect(compile({ device }).program.dump(1).split('\n').slice(0, 4)).toEqual([
      '(000) ld       [type]',
      '(001) jeq      #0x4             jt 2\tjf 4',
      '(002) ld       [ifidx]',
      `(003) jeq      #0x${ifindex?.toString(16)}             jt 5\tjf 4`,
    ]);
  });
});

describe('refused', () => {
  test.each([
    [{ expression: 'foo bar' }, "can't parse filter expression: syntax error"],
    [{ expression: 'ip and ip6' }, 'expression rejects all packets'],
    [{ expression: 'vlan', device: 'any' }, 'no VLAN support for Linux cooked v2'],
    [{ exclude: ['10.0.0.0/8', 'foo bar'] }, "--exclude foo bar: can't parse filter expression: syntax error"],
    [{ exclude: ['10.0.0.1/8'] }, '--exclude 10.0.0.1/8: non-network bits set in "10.0.0.1/8"'],
    [{ exclude: ['vlan 5'], device: 'any' }, '--exclude vlan 5: no VLAN support for Linux cooked v2'],
    [
      { exclude: ['link[2:2] = 1'], device: 'any', linktype: 'LINUX_SLL' },
      "--exclude link[2:2] = 1: the kernel can't run this filter: libpcap would run 'link[2:2] = 1' in user space",
    ],
  ])('%j', (options, message) => {
    expect(error(options)).toMatchObject({ code: 'ERR_FILTER', message });
  });

  test('more instructions than the kernel takes, where it must say how much is kept', () => {
    const exclude = Array.from({ length: 120 }, (_, n) => `tcp port ${n + 1} and ip[8] = ${n}`);
    expect(error({ exclude, headersOnly: true })).toMatchObject({
      code: 'ERR_FILTER',
      message: expect.stringMatching(
        /^--headers-only: the kernel can't run this filter: it has \d{4,} instructions, the most is 4096$/,
      ),
    });
  });
});

describe("an expression that the kernel can't run is left to user space", () => {
  const long = Array.from({ length: 2400 }, (_, n) => `udp[8:4] = ${n * 3}`).join(' or ');

  test('the kernel takes all of it', () => {
    expect(compile({ expression: 'udp' }).userSpace).toBeUndefined();
  });

  // What the kernel must let through: link, the longest IPv4 and the UDP header and 4 bytes; all; no more than the snaplen.
  test.each([
    ['more instructions than it takes', { expression: long }, 14 + 60 + 8 + 4],
    ['the same behind a cooked header', { expression: long, device: 'any' }, 60 + 8 + 4],
    ['a loop', { expression: 'ip6 protochain 17' }, 262144],
    // The kernel has no place for these fields of the cooked header.
    ['fields it has no place for', { expression: 'link[2:2] = 1', device: 'any', linktype: 'LINUX_SLL' }, 80 - 16],
  ])('%s', (_, options, kept) => {
    const filter = compile({ ...options, snaplen: 80 });
    const compiled = namespace.exec('tcpdump', '-ddd', '-s', '80', '-y', filter.linktypeName, options.expression);
    expect(filter.userSpace?.expression?.dump(3)).toBe(Program.parse(compiled).dump(3));
    expect(returns(filter)[0]).toBe(kept);
    expect(filter.program.length).toBeLessThan(8);
  });

  test('exclusions stay in the kernel as long as it takes them', () => {
    const { program, userSpace } = compile({ exclude: ['10.0.0.0/8'], expression: long });
    expect(userSpace?.expression?.length).toBeGreaterThan(4096);
    expect(userSpace?.exclusions).toBeUndefined();
    expect(program.dump(1)).toContain('0xa000000');
  });

  test.each([
    [200, 30, 'Warning: Kernel filter failed: Invalid argument'],
    [230, 20, "Warning: Couldn't allocate kernel memory for filter: try increasing net.core.optmem_max with sysctl"],
  ])('too much only together with exclusions: %i and %i', (terms, excluded, warning) => {
    const expression = Array.from({ length: terms }, (_, n) => `tcp[${n}] * ip[${n}] = ${n}`).join(' or ');
    const exclude = Array.from({ length: excluded }, (_, n) => `tcp port ${n + 1} and ip[8] = ${n}`);
    expect(compile({ expression })).toMatchObject({ userSpace: undefined, warnings: [] });
    expect(compile({ exclude })).toMatchObject({ userSpace: undefined, warnings: [] });
    const { userSpace, warnings } = compile({ expression, exclude });
    expect(userSpace?.expression?.length).toBeLessThan(4096);
    expect(userSpace?.exclusions).toBeUndefined();
    expect(warnings).toEqual([warning]);
  });

  // What the kernel must let through for an ARP target (24 + 4) or an IPv6 destination (24 + 16) behind two tags.
  test.each([
    ['lo', 14 + 8 + 40],
    ['any', 8 + 40],
  ])('exclusions that it does not take, too: %s', (device, kept) => {
    const exclude = Array.from({ length: 2000 }, (_, n) => `2001:${((n * 7919) % 65536).toString(16)}:${n}::/48`);
    const alone = compile({ device, exclude, expression: 'udp', snaplen: 40 });
    expect(alone.userSpace?.expression).toBeUndefined();
    expect(alone.userSpace?.exclusions?.length).toBeGreaterThan(4096);
    expect(new Set(returns(alone))).toEqual(new Set([kept, 0]));
    expect(alone.program.length).toBeLessThan(30);
    expect(alone.warnings.at(-1)).toBe('Warning: Kernel filter failed: Invalid argument');
    const both = compile({ device, exclude, expression: long, snaplen: 262144 });
    expect(both.userSpace?.expression?.length).toBeGreaterThan(4096);
    expect(both.userSpace?.exclusions?.length).toBe(alone.userSpace?.exclusions?.length);
    expect(error({ device, exclude, headersOnly: true })).toMatchObject({ code: 'ERR_FILTER' });
  });
});

test('networks share one program, and the kernel takes a hundred of them', () => {
  const exclude = Array.from({ length: 100 }, (_, n) => `10.${n}.0.${n}`);
  expect(compile({ device: 'any', exclude }).userSpace).toBeUndefined();
});
