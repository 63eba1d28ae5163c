// `tsnetpcap verify` over directories as a capture leaves them: it finds every damage that its promises name, and nothing
// in what crashes, compression, release and rotation of the ledger leave.

import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { PROGRAM, Program } from '../program.ts';
import { rechain, SeriesBuilder, STOP, sha256 } from '../rotation/series-builder.ts';

const root = mkdtempSync(join(tmpdir(), 'verify-'));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;
let series: SeriesBuilder;
beforeEach(() => {
  series = new SeriesBuilder(join(root, String(++count)));
});

interface Verified {
  readonly code: number | null;
  readonly lines: string[];
  readonly stderr: string;
}

async function verify(args: readonly string[] = [], node: string = process.execPath): Promise<Verified> {
  const { code, stdout, stderr } = await Program.run(undefined, [node, PROGRAM, 'verify', series.directory, ...args]);
  return { code, lines: stdout.split('\n').slice(0, -1), stderr };
}

/** The last line of what it says when nothing is missing or altered. */
const summary = (files: number): string =>
  `pcap: ${files} of ${files} complete savefiles are as the ledger says, ${series.lines} lines, head ${series.head}`;

/** A run of three files, the first evicted, that ended as it should. */
function plain(): SeriesBuilder {
  return series.start().savefile(0).savefile(1).evict(0).savefile(2).entry(STOP);
}

describe('nothing to find', () => {
  test('in what a capture leaves: the summary alone, which says the head', async () => {
    plain();
    expect(await verify()).toEqual({ code: 0, lines: [summary(2)], stderr: '' });
    expect(await verify(['--head', series.head.toUpperCase()])).toMatchObject({ code: 0, lines: [summary(2)] });
  });

  test('each line as an object of JSON', async () => {
    plain();
    appendFileSync(series.path(series.name(2)), 'x');
    const { code, lines } = await verify(['--json']);
    expect(code).toBe(1);
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { kind: 'altered', series: 'pcap', file: series.name(2), text: expect.stringContaining('cut short') },
      { kind: 'summary', series: 'pcap', files: 2, ok: 1, lines: series.lines, head: series.head },
    ]);
  });

  test('while it captures, or after it was killed', async () => {
    series.start().savefile(0).begin(1, 3);
    appendFileSync(series.ledger, '{"type":"clo');
    const { code, lines } = await verify();
    expect(code).toBe(0);
    expect(lines).toEqual([
      'notice pcap.ledger.jsonl: its last 12 bytes are no line: being written, or torn by a crash',
      expect.stringMatching(/^notice pcap: the last capture .* it runs, or it crashed$/),
      `notice ${series.name(1)}.part: is not closed: being written, or left by a crash`,
      summary(1),
    ]);
  });

  test('after crashes at every step, and a restart', async () => {
    series.start().savefile(0).begin(1, 3);
    const torn = Buffer.alloc(9);
    appendFileSync(series.path(`${series.name(1)}.part`), torn);
    series.start().entry({ type: 'torn', bytes: 12 });
    truncateSync(series.path(`${series.name(1)}.part`), series.size(`${series.name(1)}.part`) - torn.length);
    const adopted = series.contents(1);
    series
      .entry({ type: 'adopt', name: series.name(1), ...adopted, cutBytes: torn.length })
      .publish(1)
      .hash(1);
    series.begin(2, 4).close(2);
    series.start().entry({ type: 'gap', device: 'eth0', reason: 'down', fromMs: 1000, toMs: 3500 });
    series.entry({ type: 'step', byMs: -3600_000 }).entry({ type: 'lost', packets: 7, fromMs: 0, toMs: 1 });
    series.begin(3, 2).close(3).publish(3);
    writeFileSync(series.path(`${series.name(4)}.part`), ''); // created, its line not yet written
    series.entry({ type: 'evict', name: series.name(0), reason: 'ring' }); // its file not yet deleted
    const { code, lines } = await verify();
    expect(lines).toEqual([
      expect.stringMatching(/^notice pcap: 2 of 3 captures ended without a stop line/),
      expect.stringMatching(/^notice pcap: the last capture/),
      expect.stringMatching(/^notice pcap: an interface was away once, .* for 2\.500 s/),
      expect.stringMatching(/^notice pcap: the clock was set once, .* by -3600\.000 s/),
      expect.stringMatching(/^notice pcap: packets found no room on disk once, .* 7 in all/),
      expect.stringMatching(/^notice pcap: a torn end of the ledger was cut off once, .* 12 bytes/),
      expect.stringMatching(`^notice ${series.name(2)}\\.part: is complete, but not renamed yet`),
      expect.stringMatching(`^notice ${series.name(3)}: the ledger has no hash of it`),
      expect.stringMatching(`^notice ${series.name(0)}: is being evicted, or left by a crash`),
      expect.stringMatching(`^notice ${series.name(4)}\\.part: is in no line of the ledger`),
      summary(3),
    ]);
    expect(code).toBe(0);
  });

  test('after compression, and wherever it was killed', async () => {
    series.start();
    for (const hour of [0, 1, 2, 3]) series.savefile(hour);
    const gzipped = (hour: number): Buffer => gzipSync(readFileSync(series.path(series.name(hour))));
    series.compress(0, 'gz', gzipped(0)).replace(0, 'gz');
    series.compress(1, 'gz', gzipped(1)); // NAME is still there
    series.compress(2, 'gz', gzipped(2)); // and here no more
    unlinkSync(series.path(series.name(2)));
    execFileSync('gzip', [series.path(series.name(3))]); // by hand
    series.entry(STOP);
    expect(await verify()).toEqual({
      code: 0,
      lines: [
        expect.stringMatching(`^notice ${series.name(2)}\\.gz\\.part: is complete, but not renamed yet`),
        expect.stringMatching(`^notice ${series.name(1)}\\.gz\\.part: is being written, or left by a crash`),
        summary(4),
      ],
      stderr: '',
    });
  });

  test('after release, before a capture has entered it', async () => {
    plain();
    writeFileSync(series.path('pcap.released'), `${series.name(1)}\n`);
    writeFileSync(series.path('pcap.released.taken'), `${series.name(2)}\n`);
    unlinkSync(series.path(series.name(2)));
    const { code, lines } = await verify();
    expect(code).toBe(0);
    expect(lines).toEqual([`notice ${series.name(2)}: was released, which no capture has entered yet`, summary(2)]);
  });

  test('over a rotated ledger, and when its oldest file is gone', async () => {
    series.start().savefile(0).rotate('20260101010000').savefile(1).rotate('20260101010000-2');
    series.savefile(2).rotate('20260101020000').entry(STOP);
    expect(await verify()).toEqual({ code: 0, lines: [summary(3)], stderr: '' });
    const middle = sha256(series.ledgerLines(series.path('pcap.ledger-20260101010000-2.jsonl')).at(-1) ?? '');
    expect((await verify(['--head', middle])).code).toBe(0);
    unlinkSync(series.path('pcap.ledger-20260101010000.jsonl'));
    unlinkSync(series.path(series.name(0)));
    const { code, lines } = await verify();
    expect(code).toBe(0);
    expect(lines[0]).toMatch(/^notice pcap\.ledger-20260101010000-2\.jsonl line 1: the chain begins here/);
    expect(lines.at(-1)).toMatch(/^pcap: 2 of 2 complete/);
    expect(lines).toHaveLength(2);
  });

  test('between two series in one directory', async () => {
    plain();
    const other = new SeriesBuilder(series.directory, 'dns').start().savefile(5).entry(STOP);
    const { code, lines } = await verify(['--head', other.head]);
    expect(code).toBe(0);
    expect(lines).toEqual([expect.stringMatching(`^dns: 1 of 1 .*${other.head}$`), summary(2)]);
  });
});

describe('finds', () => {
  /** Where record 3's packet begins, and behind it. */
  const PACKET = 24 + 16 * 3 + 60 + 61;

  test.each<[string, () => void, RegExp]>([
    [
      'a flipped byte',
      () => series.flip(series.name(1), PACKET),
      /^altered pcap-20260101010000\.pcap: SHA-256 differs$/,
    ],
    [
      'a flipped byte in a time',
      () => series.flip(series.name(1), 24),
      /^altered pcap-20260101010000\.pcap: first packet 1767229423\.0+ instead of 1767229200\.0+; SHA-256 differs$/,
    ],
    [
      'a truncated file',
      () => truncateSync(series.path(series.name(1)), PACKET - 1),
      /^altered pcap-20260101010000\.pcap: not whole, at offset 177 is a record cut short; packet count 2 instead of 6; size/,
    ],
    [
      'a file truncated to a record',
      () => truncateSync(series.path(series.name(1)), 24 + 16 + 60),
      /^altered pcap-20260101010000\.pcap: packet count 1 instead of 6; size 100 instead of 495; last packet/,
    ],
    ['an emptied file', () => truncateSync(series.path(series.name(1)), 0), /^altered \S+: no file header/],
    [
      'a removed file',
      () => unlinkSync(series.path(series.name(1))),
      /^missing pcap-20260101010000\.pcap: complete by the ledger/,
    ],
    [
      'a link instead of a file',
      () => {
        renameSync(series.path(series.name(1)), join(root, `away-${count}`));
        symlinkSync(join(root, `away-${count}`), series.path(series.name(1)));
      },
      /^altered pcap-20260101010000\.pcap: is no regular file$/,
    ],
    [
      'another file of the ring instead',
      () => copyFileSync(series.path(series.name(2)), series.path(series.name(1))),
      /^altered pcap-20260101010000\.pcap: first packet .* 6 packets not older than its end, 1767232800; SHA-256/,
    ],
    [
      'a removed line',
      () => series.writeLedger(series.ledgerLines().toSpliced(4, 1)),
      /^chain pcap\.ledger\.jsonl line 5: does not follow from the line before/,
    ],
    [
      'a removed first line',
      () => series.writeLedger(series.ledgerLines().slice(1)),
      /^chain pcap\.ledger\.jsonl line 1: lines before it were removed$/,
    ],
    [
      'a changed line',
      () => series.writeLedger(series.ledgerLines().with(1, (series.ledgerLines()[1] ?? '').replace('2026', '2027'))),
      /^chain pcap\.ledger\.jsonl line 3: does not follow from the line before/,
    ],
    [
      'a line that was put in',
      () => series.writeLedger(series.ledgerLines().toSpliced(4, 0, series.ledgerLines()[3] ?? '')),
      /^chain pcap\.ledger\.jsonl line 5: does not follow from the line before/,
    ],
    [
      'a line that is none',
      () => series.writeLedger(series.ledgerLines().with(4, 'what')),
      /^chain pcap\.ledger\.jsonl line 5: is no entry of a ledger$/,
    ],
  ])('%s', async (_, damage, line) => {
    plain();
    damage();
    const { code, lines, stderr } = await verify();
    expect(stderr).toBe('');
    expect(code).toBe(1);
    expect(lines[0]).toMatch(line);
  });

  test('a ledger that was written anew, against the head kept elsewhere', async () => {
    plain();
    const head = series.head;
    const lines = series.ledgerLines();
    series.writeLedger(rechain(lines.filter((line) => !line.includes(series.name(1)))));
    unlinkSync(series.path(series.name(1)));
    expect((await verify()).code).toBe(0);
    const found = await verify(['--head', head]);
    expect(found.code).toBe(1);
    expect(found.lines[0]).toMatch(new RegExp(`^chain: no line has the hash ${head}: `));
    series.writeLedger(lines.slice(0, -1)); // cut back
    expect((await verify(['--head', head])).lines.at(-2)).toMatch(/^chain: no line has the hash/);
    series.writeLedger(lines);
    expect((await verify(['--head', head])).lines).toEqual([
      `missing ${series.name(1)}: complete by the ledger, and not evicted`,
      expect.stringMatching(/^pcap: 1 of 2 /),
    ]);
  });

  test('a rotated file of the ledger that is gone or torn', async () => {
    series.start().savefile(0).rotate('20260101010000').savefile(1).rotate('20260101020000').entry(STOP);
    const rotated = series.path('pcap.ledger-20260101020000.jsonl');
    appendFileSync(rotated, '{');
    expect((await verify()).lines[0]).toBe('chain pcap.ledger-20260101020000.jsonl: 1 bytes behind its last line');
    unlinkSync(rotated);
    const { code, lines } = await verify();
    expect(code).toBe(1);
    expect(lines[0]).toMatch(/^chain pcap\.ledger\.jsonl line 1: does not follow/);
    expect(lines[1]).toBe(`extra ${series.name(1)}: is in no line of a ledger`);
  });

  test('foreign files: a name of the series, a savefile of any name; and nothing else', async () => {
    plain();
    const bytes = readFileSync(series.path(series.name(2)));
    writeFileSync(series.path(series.name(0)), bytes); // evicted
    writeFileSync(series.path(series.name(7)), 'no savefile');
    writeFileSync(series.path(`${series.name(2)}.gz`), gzipSync(bytes));
    writeFileSync(series.path('other.pcap'), bytes);
    writeFileSync(series.path('notes\n.txt'), 'hello');
    writeFileSync(series.path('\n.pcap'), bytes);
    mkdirSync(series.path('directory.pcap'));
    const { code, lines } = await verify();
    expect(lines).toEqual([
      'extra \\x0a.pcap: is in no line of a ledger',
      'extra other.pcap: is in no line of a ledger',
      `extra ${series.name(0)}: evicted by the ledger (ring)`,
      `extra ${series.name(2)}.gz: stands beside the complete file`,
      `extra ${series.name(7)}: is in no line of a ledger`,
      summary(2),
    ]);
    expect(code).toBe(0);
  });

  test('a compressed file that was changed, in its bytes or in what they stand for', async () => {
    plain();
    const [one, two] = [series.path(series.name(1)), series.path(series.name(2))];
    series.compress(1, 'gz', gzipSync(readFileSync(one))).replace(1, 'gz');
    series.flip(`${series.name(1)}.gz`, 9); // the operating system, which nobody reads
    const bytes = readFileSync(two);
    bytes[PACKET] = 255;
    series.compress(2, 'gz', gzipSync(bytes)).replace(2, 'gz');
    const { code, lines } = await verify();
    expect(code).toBe(1);
    expect(lines.slice(0, 2)).toEqual([
      `altered ${series.name(1)}.gz: compressed file: SHA-256 differs`,
      `altered ${series.name(2)}.gz: SHA-256 differs`,
    ]);
    truncateSync(`${one}.gz`, 40);
    expect((await verify()).lines[0]).toMatch(/compressed file: size 40 instead of .* expected compressed data/);
  });

  test('packets older than the interval, but for those that were late', async () => {
    series.start().savefile(0);
    const lines = series.ledgerLines();
    const later = lines.map((line) => line.replace('"startSec":1767225600', '"startSec":1767225601'));
    series.writeLedger(rechain(later));
    expect((await verify()).lines.at(-2)).toMatch(
      /^altered \S+: 1 packets older than its start, 1767225601, and 0 were/,
    );
    series.writeLedger(rechain(later.map((line) => line.replace('"late":0', '"late":1'))));
    expect((await verify()).code).toBe(0);
  });
});

test('zstd, where Node has it; elsewhere the hash of the compressed file is all there is', async () => {
  plain();
  const path = series.path(series.name(1));
  execFileSync('zstd', ['-q', '--keep', path]);
  series
    .compress(1, 'zst', readFileSync(`${path}.zst`))
    .replace(1, 'zst')
    .entry(STOP);
  const newer = '../../node_modules/.cache/node-24/node_modules/current/bin/node';
  const node = fileURLToPath(new URL(newer, import.meta.url));
  expect(await verify([], node)).toEqual({ code: 0, lines: [summary(2)], stderr: '' });
  const old = await verify();
  expect(old.code).toBe(0);
  if (process.versions.node.startsWith('20.'))
    expect(old.lines[0]).toMatch(/^notice \S+\.zst: .*zstd needs Node 22\.15/);
  series.flip(`${series.name(1)}.zst`, series.size(`${series.name(1)}.zst`) - 1);
  for (const each of [node, process.execPath])
    expect((await verify([], each)).lines[0]).toMatch(/^altered \S+\.zst: compressed file: SHA-256 differs/);
});

test('while a capture publishes, compresses, evicts and rotates its ledger: no finding that is not one', async () => {
  const writer = new AbortController();
  const writing = series.start().captureUntil(writer.signal);
  try {
    for (let run = 0; run < 12; run++) {
      const { code, lines, stderr } = await verify();
      expect(stderr).toBe('');
      expect(lines.filter((line) => !line.startsWith('notice '))).toEqual([
        expect.stringMatching(/^pcap: (\d+) of \1 /),
      ]);
      expect(code).toBe(0);
    }
  } finally {
    writer.abort();
    await writing;
  }
  expect(readdirSync(series.directory).some((name) => name.includes('.ledger-'))).toBe(true);
});

describe('a call that is wrong', () => {
  test.each([
    [['verify'], 2, /^tsnetpcap: missing required argument 'dir'\n$/],
    [['verify', root, root], 2, /^tsnetpcap: too many arguments/],
    [['verify', root, '--head', 'f00'], 2, /^tsnetpcap: --head f00: expected the hash of a line, 64/],
    [['verify', root], 1, /: no ledger in it\n$/],
    [['verify', join(root, 'none')], 1, /scandir .*ENOENT/],
    [['-d', '-i', 'lo', 'verify'], 2, /^tsnetpcap: .*(syntax|parse) error/],
  ])('%j', async (args, code, message) => {
    const ended = await Program.run(undefined, [process.execPath, PROGRAM, ...args]);
    expect(ended).toEqual({ code, stdout: '', stderr: expect.stringMatching(message) });
  });

  test('--help explains it', async () => {
    const { code, stdout } = await Program.run(undefined, [process.execPath, PROGRAM, 'verify', '--help']);
    expect([code, stdout]).toEqual([0, expect.stringContaining('--head <hash>')]);
  });
});

test('it leaves the directory as it is', async () => {
  plain();
  const before = readdirSync(series.directory).sort();
  await verify();
  expect(readdirSync(series.directory).sort()).toEqual(before);
});
