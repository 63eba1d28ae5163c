// --print-config: what it prints is a command line that prints the same, whichever way it was written; defaults are those
// that hold, and those that --help and the manual tell; no privilege is needed.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { CAPTURE_DEFAULTS } from '../../src/capture/options.ts';
import { SERIES_DEFAULTS } from '../../src/capture/series-options.ts';
import { CAPTURE_FLAGS } from '../../src/cli/capture-flags.ts';
import { spellings } from '../../src/cli/flag.ts';
import { PROGRAM, Program } from '../program.ts';

/** The lines on stdout, printed by an ordinary user. */
async function printed(line: string): Promise<string[]> {
  const argv = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'sh', '-c'] as const;
  const { code, stdout, stderr } = await Program.run(undefined, [
    ...argv,
    `exec "$0" "$1" --print-config ${line}`,
    process.execPath,
    PROGRAM,
  ]);
  expect([line, code, stderr]).toEqual([line, 0, '']);
  return stdout.trimEnd().split('\n');
}

/** Without what follows from them. */
function options(lines: readonly string[]): string[] {
  return lines.filter((line) => !line.startsWith('# '));
}

test('the defaults of a series', async () => {
  expect(await printed('--snaplen 96 --ring 48')).toEqual([
    '--interface any',
    '--snaplen 96',
    '--direction inout',
    '--linktype LINUX_SLL2',
    '-w /var/log/netpcap/pcap-%Y%m%d%H%M%S.pcap',
    '--rotate 3600',
    '--ring 48',
    '--file-mode 640',
    '--sync close',
    '--time-stamp-precision micro',
    '--engine ring',
    '--ring-memory 16777216',
    '# kernel ring of 16777216 bytes in 16 blocks',
    '# series pcap in /var/log/netpcap',
  ]);
});

test('of a single file less holds', async () => {
  expect(options(await printed('-i lo -w x.pcap'))).toEqual([
    '--interface lo',
    '--snaplen 262144',
    '--direction inout',
    '-w x.pcap',
    '--time-stamp-precision micro',
    '--engine ring',
    '--ring-memory 16777216',
  ]);
});

const EVERYTHING = `-i any -s 0x80 -p -Q in --wait-for-interface --exit-on-down -y LINUX_SLL --exclude 10.0.0.0/8 --exclude 'net 192.168.0.0/16'
  --snaplen-for 'tcp[tcpflags] & tcp-syn != 0=128' --snaplen-for port\\ 53=512 --keep-names --headers-only --sample-flows 1/16
  -c 1000 --duration 90m -w './it'\\''s-%s.pcap' --rotate 15m --rotate-size 1GiB --rotate-packets 1000000 --ring 5 --max-age 7d
  --max-bytes 10GB --min-free 7% --utc --file-mode 600 --no-part --sync 30s --compress gzip -z /bin/true -Z nobody
  --no-ledger --nano --immediate-mode -B 4096 -q -vv --stats-interval 1h --stats-file x.prom -nn --count not port '\\(22 or 23\\)'`;

test.each([
  ['everything', EVERYTHING.replace(/\n\s*/g, ' ')],
  ['libpcap', '-i lo -I -w x-%s'],
  ['-C with a unit', '-w x -C 500k -W 10'],
  ['-C and -G', '-w x-%s -C 3 -G 60'],
  ['--min-free in bytes', '--min-free 5GB'],
  ['the expression of a file', `-w x -F ${fileURLToPath(new URL('./filter.txt', import.meta.url))}`],
])('%s, printed, is a command line that prints the same', async (_, line) => {
  const lines = await printed(line);
  expect(await printed(options(lines).join(' '))).toEqual(lines);
});

test('every option of a capture that is given is printed', async () => {
  const names = options(await printed(EVERYTHING.replace(/\n\s*/g, ' '))).map((line) => line.split(' ')[0] ?? '');
  const elsewhere = ['r', 'V', 'C', 'G', 'W', 'I', 'j', 'F', 'clobber']; // in the table above, or not with these
  const silent = ['count', 'check', 'printConfig', 'printing', 'd', 'D', 'L', 'J', 'U', 'help', 'version', 'B'];
  const missing = CAPTURE_FLAGS.filter((flag) => !spellings(flag).some((name) => names.includes(name)))
    .map(({ name }) => name)
    .filter(
      (name) => !CAPTURE_FLAGS.some((flag) => flag.name === name && spellings(flag).some((s) => names.includes(s))),
    );
  expect(missing.filter((name) => ![...elsewhere, ...silent].includes(name))).toEqual([]);
});

test('a type of timestamps that the interface has not is said, and does not hold', async () => {
  const argv = [process.execPath, PROGRAM, '--print-config', '-i', 'lo', '-w', 'x', '-j', 'adapter'] as const;
  const { code, stdout, stderr } = await Program.run(undefined, [...argv]);
  expect([code, stderr]).toEqual([0, expect.stringContaining("set timestamp type 'adapter' on lo")]);
  expect(stdout.trimEnd().split('\n')).toEqual(await printed('-i lo -w x'));
});

test('what options make of each other is refused as a capture would', async () => {
  const { code, stderr } = await Program.run(undefined, [
    process.execPath,
    PROGRAM,
    '--print-config',
    '-w',
    '-',
    '--ring',
    '3',
  ]);
  expect([code, stderr]).toEqual([2, "tsnetpcap: -w -: a stream can't be rotated, leave out --ring\n"]);
});

test('an interface by its number, and one that is not there', async () => {
  const list = await Program.run(undefined, [process.execPath, PROGRAM, '-D']);
  const [, number, name] = /^(\d+)\.(lo)\b/m.exec(list.stdout) ?? [];
  expect(await printed(`-i ${number} -w x`)).toContain(`# interface ${number} is ${name}`);
  const absent = await printed('-i absent0 -w x');
  expect(absent).toContain('# no network interface is called absent0');
  expect(absent.join()).not.toContain('--engine');
});

test('the defaults that --help and the manual tell are those that hold', async () => {
  const manual = readFileSync(fileURLToPath(new URL('../../man/tsnetpcap.8', import.meta.url)), 'utf8');
  const holding = {
    interface: CAPTURE_DEFAULTS.device,
    snaplen: CAPTURE_DEFAULTS.snaplen,
    Q: 'inout',
    y: 'LINUX_SLL2',
    rotate: SERIES_DEFAULTS.rotateSec,
    fileMode: SERIES_DEFAULTS.fileMode,
    sync: SERIES_DEFAULTS.sync,
    timeStampPrecision: CAPTURE_DEFAULTS.precision,
    ringMemory: CAPTURE_DEFAULTS.ringMemory,
  };
  for (const [name, value] of Object.entries(holding)) {
    const flag = CAPTURE_FLAGS.find((each) => each.name === name);
    if (flag === undefined) throw new Error(name);
    const [spelling = ''] = spellings(flag);
    const item = new RegExp(`^\\.It Fl ${spelling.slice(1)}\\b[^]*?(?=^\\.(It|El)\\b)`, 'm').exec(manual)?.[0] ?? '';
    const told = item.replace(/\n/g, ' ');
    const [word = ''] = [
      /\.Cm (\w+) \.Pq default/,
      /\.Cm (\w+) ,[^.]*default/,
      /(\w+), the default/,
      /[Dd]efault:? (?:\.Cm )?(\w+)/,
    ]
      .map((pattern) => pattern.exec(told)?.[1])
      .filter((each) => each !== undefined);
    const parse = (text: string): unknown => flag.parse?.(spelling, text) ?? text;
    expect([name, parse(word)]).toEqual([name, value]);
    const shown = flag.default?.[1] ?? flag.default?.[0] ?? /\(default:? ?\)? ?(\w+)/.exec(flag.help)?.[1];
    if (shown !== undefined) expect([name, parse(String(shown))]).toEqual([name, value]);
  }
});
