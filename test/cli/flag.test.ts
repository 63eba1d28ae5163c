// The command line as getopt_long(3) reads it for tcpdump: clusters, attached values, abbreviations, order, repetition.
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { addFlags, expandAbbreviations, type Flag } from '../../src/cli/flag.ts';
import { OptionError } from '../../src/errors.ts';

interface Values {
  readonly verbose?: number;
  readonly snaplen?: number;
  readonly write?: string;
  readonly exclude?: readonly string[];
  readonly ring?: string;
  readonly ringMemory?: string;
  readonly promiscuous?: false;
  readonly part?: false;
  readonly numeric?: true;
  readonly number?: true;
}

function parseSnaplen(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new OptionError(option, text, 'expected a number');
  return Number(text);
}

const row = { help: '', group: 'All:' };
const FLAGS: readonly Flag<Values>[] = [
  { ...row, name: 'verbose', letter: 'v', repeat: 'count', tcpdump: true },
  {
    ...row,
    name: 'snaplen',
    letter: 's',
    long: ['snaplen', 'snapshot-length'],
    value: 'bytes',
    parse: parseSnaplen,
    tcpdump: true,
  },
  { ...row, name: 'write', letter: 'w', value: 'file', tcpdump: true },
  { ...row, name: 'exclude', long: ['exclude'], value: 'net', repeat: 'list' },
  { ...row, name: 'ring', long: ['ring'], value: 'files', conflicts: 'ringMemory' },
  { ...row, name: 'ringMemory', long: ['ring-memory'], value: 'size' },
  { ...row, name: 'promiscuous', gives: false, letter: 'p', long: ['no-promiscuous-mode'], tcpdump: true },
  { ...row, name: 'part', gives: false, long: ['no-part'] },
  { ...row, name: 'numeric', letter: 'n', tcpdump: true, printing: true },
  { ...row, name: 'number', letter: '#', long: ['number'], tcpdump: true, printing: true },
];

function command(): Command {
  const made = new Command('test').argument('[words...]').exitOverride();
  made.configureOutput({ outputError: () => {} });
  addFlags(made, FLAGS, '1');
  return made;
}

function parse(...args: string[]): unknown {
  const made = command().parse(expandAbbreviations(args, FLAGS), { from: 'user' });
  return { ...made.opts(), words: made.args };
}

describe('as getopt_long reads it', () => {
  test.each([
    [['-nnvvs96'], { numeric: true, verbose: 2, snaplen: 96 }],
    [['-vs', '96', '-v'], { verbose: 2, snaplen: 96 }],
    [['-w-', '-n'], { write: '-', numeric: true }],
    [['-#n'], { number: true, numeric: true }],
    [['-w', '--ring'], { write: '--ring' }],
    [['-s96', '-w', '--sn', '--ring', '--part'], { snaplen: 96, write: '--sn', ring: '--part' }],
    [['--snapshot-length=96'], { snaplen: 96 }],
    [['--snaps', '96', '-s', '97'], { snaplen: 97 }],
    [['-s97', '--sna=96'], { snaplen: 96 }],
    [['--ex=a', '--exclude', 'b=c', '--exc=d=e'], { exclude: ['a', 'b=c', 'd=e'] }],
    [['-p'], { promiscuous: false }],
    [['--no-promiscuous-mode'], { promiscuous: false }],
    [['--no-part'], { part: false }],
    [['port', '22', '-n', 'or', '-v', 'udp'], { numeric: true, verbose: 1, words: ['port', '22', 'or', 'udp'] }],
    [['-n', '--', '-v', '--no-pr'], { numeric: true, words: ['-v', '--no-pr'] }],
    [['-w', '-', 'tcp[0] = 1'], { write: '-', words: ['tcp[0] = 1'] }],
  ])('%j', (args, values) => {
    expect(parse(...args)).toEqual({ words: [], ...values });
  });

  test.each([
    ['--ring', '--ring'],
    ['--ring-m', '--ring-memory'],
    ['--no-p', '--no-promiscuous-mode'], // and --no-part, which tcpdump does not know
    ['--n', '--n'], // tcpdump has two of them
    ['--r=1', '--r=1'], // we have two of them
    ['--rix', '--rix'],
    ['--', '--'],
    ['-', '-'],
    ['--=', '--='],
  ])('%s is %s', (abbreviation, long) => {
    expect(expandAbbreviations([abbreviation], FLAGS)).toEqual([long]);
  });
});

test.each([
  [['-sx'], '-s x: '],
  [['--snaplen', 'x', '-s1'], '--snaplen x: '],
  [['--snap=x'], /^--sna.* x: /],
  [['-w'], "option '-w <file>' argument missing"],
  [['--exclude'], 'argument missing'],
  [['--ri', '1'], "unknown option '--ri'"],
  [['-y'], "unknown option '-y'"],
  [['--ring=1', '--ring-memory=1'], 'cannot be used with'],
])('%j is refused by the name that was given', (args, message) => {
  expect(() => parse(...args)).toThrow(message);
});

test('--help has a line for each flag, by its letter and first long name, but for those of printing', () => {
  const terms = [
    ...command()
      .helpInformation()
      .matchAll(/^ {2}(-.*?)(?: {2}.*)?$/gm),
  ].map(([, term]) => term);
  expect(terms).toEqual([
    '-v',
    '-s, --snaplen <bytes>',
    '-w <file>',
    '--exclude <net>',
    '--ring <files>',
    '--ring-memory <size>',
    '-p, --no-promiscuous-mode',
    '--no-part',
    '-h, --help',
  ]);
});
