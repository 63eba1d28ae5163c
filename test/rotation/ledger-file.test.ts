// What ledger files there are in a directory, and what a file holds that processes and power cuts have left.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SyscallError } from '../../src/errors.ts';
import { NO_HASH } from '../../src/rotation/ledger-entry.ts';
import {
  isLedgerFile,
  ledgerFileName,
  ledgerFiles,
  ledgerSeries,
  readLedgerFile,
} from '../../src/rotation/ledger-file.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'ledger-file-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

test('the files of each series in the order of the chain, and nothing else', () => {
  const home = join(directory, 'many');
  mkdirSync(home);
  const pcap = [
    'pcap.ledger-20250101000000.jsonl',
    'pcap.ledger-20260101000000.jsonl',
    'pcap.ledger-20260101000000-2.jsonl',
    'pcap.ledger-20260101000000-10.jsonl',
    'pcap.ledger.jsonl',
  ];
  const others = ['a.ledger.ledger.jsonl', 'old.ledger-20260101000000.jsonl'];
  const noise = ['.ledger.jsonl', 'pcap.ledger-2026.jsonl', 'pcap.ledger.jsonl.gz', 'pcap.lock', 'pcap.jsonl'];
  for (const name of [...pcap.toReversed(), ...others, ...noise]) writeFileSync(join(home, name), '');
  expect(ledgerSeries(home)).toEqual(['a.ledger', 'old', 'pcap']);
  expect(ledgerFiles(home, 'pcap')).toEqual(pcap);
  expect(ledgerFiles(home, 'old')).toEqual(['old.ledger-20260101000000.jsonl']);
  expect(ledgerFiles(home, 'none')).toEqual([]);
  expect(ledgerFileName('pcap')).toBe('pcap.ledger.jsonl');
  expect(pcap.every(isLedgerFile)).toBe(true);
  expect(noise.some(isLedgerFile)).toBe(false);
  expect(() => ledgerSeries(join(directory, 'none'))).toThrow(SyscallError);
});

const line = (members: object, prev = NO_HASH): string =>
  JSON.stringify({ ...members, time: '2026-01-01T00:00:00.000Z', prev });
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const STEP = line({ type: 'step', byMs: 5 });

function read(text: string): ReturnType<typeof readLedgerFile> {
  const path = join(directory, 'x.ledger.jsonl');
  writeFileSync(path, text);
  return readLedgerFile(path);
}

describe('the lines of a file', () => {
  test('each with its number, its hash, and what it says', () => {
    const second = line({ type: 'torn', bytes: 3 }, sha256(STEP));
    const { lines, wholeBytes, tornBytes } = read(`${STEP}\n${second}\n`);
    expect(lines.map(({ number, hash }) => [number, hash])).toEqual([
      [1, sha256(STEP)],
      [2, sha256(second)],
    ]);
    expect(lines[1]?.entry).toEqual(JSON.parse(second));
    expect([wholeBytes, tornBytes]).toEqual([STEP.length + second.length + 2, 0]);
  });

  test.each([
    ['no line feed', STEP],
    ['a part of a line', STEP.slice(0, 20)],
    ['zeros', '\0'.repeat(300)],
    ['no JSON with a line feed', `${STEP.slice(0, 20)}\n`],
    ['an empty line', '\n'],
  ])('a torn end: %s', (_, end) => {
    const { lines, wholeBytes, tornBytes } = read(`${STEP}\n${end}`);
    expect(lines).toHaveLength(1);
    expect([wholeBytes, tornBytes]).toEqual([STEP.length + 1, end.length]);
    expect(read(end)).toEqual({ lines: [], wholeBytes: 0, tornBytes: end.length });
  });

  test.each([
    ['no JSON', '{"type":"step",'],
    ['no object', '17'],
    ['null', 'null'],
    ['no type', line({ byMs: 5 })],
    ['an unknown type', line({ type: 'toString' })],
    ['a member that is not there', line({ type: 'step' })],
    ['a member of another type', line({ type: 'step', byMs: '5' })],
    ['a negative count', line({ type: 'torn', bytes: -1 })],
    ['a name that leads elsewhere', line({ type: 'evict', name: '../x.pcap', reason: 'ring' })],
    ['a hash that is none', line({ type: 'step', byMs: 5 }, 'f00')],
  ])('a line that is no entry: %s', (_, text) => {
    const { lines, tornBytes } = read(`${text}\n${STEP}\n`);
    expect(lines.map(({ entry }) => entry?.type)).toEqual([undefined, 'step']);
    expect(lines[0]?.hash).toBe(sha256(text));
    expect(tornBytes).toBe(0);
  });

  test('none, and no file', () => {
    expect(read('')).toEqual({ lines: [], wholeBytes: 0, tornBytes: 0 });
    expect(() => readLedgerFile(join(directory, 'none'))).toThrow(SyscallError);
  });
});
