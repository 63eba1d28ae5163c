// `npm run bench:exclude`: how long the filter for a list of excluded networks takes to build, to the kernel's acceptance,
// and how many instructions it has, or the part of it that the kernel does not take. libpcap's own program for the same list
// beside it, as far as that ends in time.
import { parseArgs } from 'node:util';
import { parseWhole } from '../src/capture/values.ts';
import { CaptureError } from '../src/errors.ts';
import { compileFilter } from '../src/filter/compile.ts';

/** libpcap's optimizer takes a minute for a thousand. */
const MOST_FOR_LIBPCAP = 300;

/** The same on every run. */
function random(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}

const draw = random();
const below = (limit: number): number => Math.floor(draw() * limit);
const ipv4 = (length: number): string => {
  const address = Array.from({ length: 4 }, () => below(256));
  const bits =
    ((address[0] ?? 0) * 2 ** 24 + (address[1] ?? 0) * 2 ** 16 + (address[2] ?? 0) * 256 + (address[3] ?? 0)) >>> 0;
  const first = length === 32 ? bits : ((bits >>> (32 - length)) << (32 - length)) >>> 0;
  return `${[24, 16, 8, 0].map((shift) => (first >>> shift) & 255).join('.')}/${length}`;
};
const ipv6 = (words: number): string =>
  `${['2001', ...Array.from({ length: words - 1 }, () => (1 + below(65535)).toString(16))].join(':')}::/${16 * words}`;

const LISTS: Readonly<Record<string, () => string>> = {
  'IPv4 hosts': () => ipv4(32),
  'IPv4, /12 to /32': () => ipv4(12 + below(21)),
  'IPv4 and one in ten IPv6 /32': () => (below(10) === 0 ? ipv6(2) : ipv4(16 + below(17))),
  'IPv6 /48': () => ipv6(3),
  'IPv6 /64': () => ipv6(4),
};

const { values } = parseArgs({
  options: { device: { type: 'string', default: 'any' }, networks: { type: 'string', default: '1000' } },
});
const most = parseWhole('--networks', values.networks, 1, 100_000);
const say = (text: string): void => void process.stdout.write(`${text}\n`);

function measure(exclude: readonly string[], expression: string): string {
  const start = performance.now();
  try {
    const options = { device: values.device, snaplen: 96, linktype: undefined, expression, exclude };
    const { program, userSpace } = compileFilter(options);
    const outside = userSpace?.exclusions ?? userSpace?.expression;
    const where = outside === undefined ? '' : ' outside the kernel';
    return `${(performance.now() - start).toFixed()} ms, ${(outside ?? program).length} instructions${where}`;
  } catch (cause) {
    if (!(cause instanceof CaptureError)) throw cause;
    return `${(performance.now() - start).toFixed()} ms, ${cause.message}`;
  }
}

for (const [what, make] of Object.entries(LISTS)) {
  for (const count of [100, MOST_FOR_LIBPCAP, most]) {
    const networks = Array.from({ length: count }, make);
    say(`${count} networks, ${what}: ${measure(networks, '')}`);
    if (count <= MOST_FOR_LIBPCAP)
      say(`  libpcap: ${measure([], `not (${networks.map((network) => `net ${network}`).join(' or ')})`)}`);
  }
}
