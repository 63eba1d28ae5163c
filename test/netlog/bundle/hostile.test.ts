// Bundles of a source that wants to do harm, and bundles that broke on their way: what is wrong is one line, the rest of the
// day is read, nothing is written outside of our own directory and nothing stays there.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEFAULT_BOUNDS } from '../../../src/netlog/bundle/bounds.ts';
import { type DaySource, type OpenOptions, openDay } from '../../../src/netlog/bundle/day-source.ts';
import { findDays } from '../../../src/netlog/bundle/days.ts';
import { readTar } from '../../../src/netlog/bundle/tar.ts';
import { DAY, manifest, NOON, pcaps, savefile, tar, tarEntry, withManifest, writeDay } from './make-tar.ts';

const PCAPS = `pcaps-${DAY}.tgz`;
const NFT = `nft-${DAY}.log.gz`;
const LINE = `${DAY}T01:02:03.000004+0000 h kernel: SYSFW:new IN=a OUT=b SRC=192.0.2.1 DST=192.0.2.2 LEN=40 \n`;
const FIRST = 'pcap-20261124110000.pcap';
const SECOND = 'pcap-20261124120000.pcap';

let directory: string;
let root: string;
let temporary: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hostile-'));
  root = join(directory, 'NetLogs');
  temporary = join(directory, 'temporary');
  for (const path of [root, temporary]) mkdirSync(path);
  writeFileSync(join(directory, 'victim'), 'untouched');
});
afterEach(() => {
  // Nothing has been written but what the test itself wrote, and nothing stays.
  expect(readdirSync(directory).sort()).toEqual(['NetLogs', 'temporary', 'victim']);
  expect(readdirSync(temporary)).toEqual([]);
  expect(readFileSync(join(directory, 'victim'), 'utf8')).toBe('untouched');
  rmSync(directory, { recursive: true });
});

interface Read {
  readonly savefiles: Readonly<Record<string, number | string>>;
  readonly lines: number;
  readonly problems: readonly string[];
  readonly source: DaySource;
}

/** All that can be read of the only day, and what is said. */
async function read(options: OpenOptions = {}): Promise<Read> {
  const [found] = await findDays(root, 'somewhere');
  if (found === undefined) throw new Error('no day');
  const source = await openDay(found, { temporary, ...options });
  try {
    const savefiles: Record<string, number | string> = {};
    for (const { name, open } of source.savefiles) savefiles[name] = await packets(open);
    let lines = 0;
    const problems = [...source.problems];
    for (const log of source.nftLogs) {
      try {
        for await (const records of log.read()) lines += records.length;
      } catch (cause) {
        problems.push(String(cause));
      }
    }
    return { savefiles, lines, problems, source };
  } finally {
    source.close();
  }
}

async function packets(open: DaySource['savefiles'][number]['open']): Promise<number | string> {
  try {
    const reader = await open();
    let count = 0;
    try {
      for (let run = await reader.next(); run !== undefined; run = await reader.next()) count += run.records;
      return count;
    } finally {
      await reader.close();
    }
  } catch (cause) {
    return String(cause);
  }
}

const day = (bundle: Buffer): Buffer => gzipSync(tar(...withManifest('sys-dns', PCAPS, bundle)));
const SAID = `sys-dns ${DAY}: ${PCAPS}: `;

test('a day as it should be', async () => {
  writeDay(root, 'sys-dns', day(pcaps()));
  expect(await read()).toMatchObject({ savefiles: { [FIRST]: 3, [SECOND]: 3 }, problems: [] });
});

test.each([
  [
    'traversal',
    { name: 'netpcap/../../../victim', bytes: savefile(NOON) },
    'a file with the name netpcap/../../../victim',
  ],
  [
    'an absolute name',
    { name: '/etc/cron.d/x.pcap', bytes: savefile(NOON) },
    'a file with the name /etc/cron.d/x.pcap',
  ],
  ['a folder more', { name: 'netpcap/a/b.pcap', bytes: savefile(NOON) }, 'a file with the name netpcap/a/b.pcap'],
  ['a hidden name', { name: 'netpcap/.x.pcap', bytes: savefile(NOON) }, 'a file with the name netpcap/.x.pcap'],
  ['an option', { name: 'netpcap/-w.pcap', bytes: savefile(NOON) }, 'a file with the name netpcap/-w.pcap'],
  ['another ending', { name: 'netpcap/x.sh', bytes: Buffer.from('x') }, 'a file with the name netpcap/x.sh'],
  [
    'line feeds and escapes',
    { name: 'netpcap/a\n\x1b]0;b\x07\u202e.pcap' },
    'a file with the name netpcap/a\\x0a\\x1b]0;b\\x07\\u202e.pcap',
  ],
  ['a symbolic link', { name: 'netpcap/a.pcap', type: '2', link: '../../victim' }, 'the symbolic link netpcap/a.pcap'],
  ['a hard link', { name: 'netpcap/a.pcap', type: '1', link: '../../victim' }, 'the hard link netpcap/a.pcap'],
  ['a character device', { name: 'netpcap/a.pcap', type: '3' }, 'the character device netpcap/a.pcap'],
  ['a block device', { name: 'netpcap/a.pcap', type: '4' }, 'the block device netpcap/a.pcap'],
  ['a pipe', { name: 'netpcap/a.pcap', type: '6' }, 'the named pipe netpcap/a.pcap'],
  ['a sparse file', { name: 'netpcap/a.pcap', type: 'S', bytes: Buffer.alloc(700) }, 'the sparse file netpcap/a.pcap'],
  [
    'an unknown type',
    { name: 'netpcap/a.pcap', type: 'Z', bytes: Buffer.alloc(700) },
    'the entry of an unknown type netpcap/a.pcap',
  ],
  ['a directory', { name: 'netpcap/a.pcap', type: '5' }, 'the directory netpcap/a.pcap'],
  ['a name twice', { name: `netpcap/${FIRST}`, bytes: savefile(NOON, 9) }, `a second file with the name ${FIRST}`],
])('%s is left out, the rest is read', async (_, entry, what) => {
  writeDay(root, 'sys-dns', day(pcaps(entry)));
  expect(await read()).toMatchObject({
    savefiles: { [FIRST]: 3, [SECOND]: 3 },
    problems: [`${SAID}${what} is left out`],
  });
});

test('a hundred thousand bad entries are few lines', async () => {
  writeDay(root, 'sys-dns', day(pcaps(...Array.from({ length: 5000 }, () => ({ name: 'x' })))));
  const { problems, savefiles } = await read();
  expect(problems).toHaveLength(11);
  expect(problems.at(-1)).toBe(`${SAID}4990 further entries are left out`);
  expect(savefiles).toEqual({ [FIRST]: 3, [SECOND]: 3 });
});

test('more entries than there may be', async () => {
  writeDay(root, 'sys-dns', day(pcaps(...Array.from({ length: 100 }, () => ({ name: 'x' })))));
  const { problems, savefiles, source } = await read({ bounds: { ...DEFAULT_BOUNDS, entries: 50 } });
  expect(problems).toContain(`${SAID}more than 50 entries`);
  expect(savefiles).toEqual({ [FIRST]: 3 });
  expect(source.gaps).toContainEqual(
    expect.objectContaining({ kind: 'damaged', fromMs: Date.parse('2026-11-23T00:00:00Z') }),
  );
});

test('a thousand manifests', async () => {
  const names = Array.from({ length: 1000 }, (_, n) => ({
    name: `${DAY}/manifest-${n + 1}.json`,
    bytes: Buffer.from('{'),
  }));
  writeDay(root, 'sys-dns', gzipSync(tar(...withManifest('sys-dns', PCAPS, pcaps()), ...names)));
  const { problems, savefiles } = await read();
  expect(problems).toHaveLength(1 + 198);
  expect(problems[0]).toBe(`sys-dns ${DAY}: sys-dns.tgz: more than 200 entries`);
  expect(savefiles).toEqual({ [FIRST]: 3, [SECOND]: 3 });
});

test('more savefiles than a day may have, in several bundles', async () => {
  const bundles = [1, 2, 3].flatMap((n) => {
    const [bundle, said] = withManifest(
      'sys-dns',
      `pcaps-${DAY}-${n + 1}.tgz`,
      gzipSync(tar({ name: `netpcap/${n}.pcap`, bytes: savefile(NOON) })),
    );
    return bundle === undefined || said === undefined ? [] : [bundle, said];
  });
  writeDay(root, 'sys-dns', gzipSync(tar(...bundles)));
  const { problems, savefiles } = await read({ bounds: { ...DEFAULT_BOUNDS, entries: 2 } });
  expect(problems).toEqual([`sys-dns ${DAY}: pcaps-${DAY}-4.tgz: more than 2 savefiles for a day`]);
  expect(savefiles).toEqual({ '1.pcap': 3, '2.pcap': 3 });
});

const zeros = (bytes: number): Buffer => Buffer.alloc(bytes);

test('a bomb in a bundle', async () => {
  const bomb = gzipSync(Buffer.concat([tarEntry({ name: 'netpcap/big.pcap', size: 2 ** 32 }), zeros(100 * 2 ** 20)]));
  writeDay(root, 'sys-dns', day(bomb));
  const { problems } = await read();
  expect(problems).toEqual([`${SAID}more than 250 times its bytes when decompressed`]);
});

test('a bomb around a bundle, and one in a savefile', async () => {
  writeDay(
    root,
    'sys-dns',
    gzipSync(Buffer.concat([tarEntry({ name: `${DAY}/${PCAPS}`, size: 2 ** 32 }), zeros(100 * 2 ** 20)])),
  );
  expect((await read()).problems).toEqual([
    `sys-dns ${DAY}: sys-dns.tgz: more than 250 times its bytes when decompressed`,
  ]);
  const record = Buffer.alloc(16 + 65_536);
  record.writeUInt32LE(65_536, 8);
  const start = savefile(NOON, 0);
  start.writeUInt32LE(65_536, 16);
  const inside = gzipSync(Buffer.concat([start, ...Array.from({ length: 2000 }, () => record)]));
  writeDay(root, 'sys-dns', day(pcaps({ name: 'netpcap/bomb.pcap.gz', bytes: inside })));
  const { savefiles } = await read();
  expect(savefiles).toMatchObject({ [FIRST]: 3, [SECOND]: 3 });
  expect(savefiles['bomb.pcap.gz']).toContain(`sys-dns ${DAY}: bomb.pcap.gz: more than 250 times its bytes`);
});

test('more bytes than a day may have', async () => {
  writeDay(root, 'sys-dns', day(pcaps({ name: 'netpcap/b.pcap', bytes: savefile(NOON, 1000) })));
  const { problems, savefiles } = await read({ bounds: { ...DEFAULT_BOUNDS, dayBytes: 20_000 } });
  expect(problems).toEqual([`${SAID}more than 20000 bytes for a day`]);
  expect(savefiles).toEqual({ [FIRST]: 3 });
});

test('a log of lines without end', async () => {
  const log = gzipSync(LINE.repeat(1000) + '\n'.repeat(12_000_000));
  writeDay(
    root,
    'sys-dns',
    gzipSync(tar(...withManifest('sys-dns', NFT, log), ...withManifest('sys-dns', `pcaps-${DAY}-2.tgz`, pcaps()))),
  );
  const { problems, lines, savefiles } = await read();
  expect(problems).toEqual([expect.stringContaining(`sys-dns ${DAY}: ${NFT}: more than 10000000 lines`)]);
  expect(lines).toBe(1000);
  expect(savefiles).toEqual({ [FIRST]: 3, [SECOND]: 3 });
});

test.each([
  [
    'the archive',
    (bytes: Buffer) => bytes.subarray(0, bytes.length - 20),
    `sys-dns ${DAY}: sys-dns.tgz: gzip: unexpected end of file`,
  ],
  [
    'its middle',
    (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 40), Buffer.from('xx'), bytes.subarray(42)]),
    `sys-dns ${DAY}: sys-dns.tgz: `,
  ],
  ['all of it', () => Buffer.from('nonsense'), `sys-dns ${DAY}: sys-dns.tgz: gzip: incorrect header check`],
  ['nothing', () => Buffer.alloc(0), `sys-dns ${DAY}: sys-dns.tgz: `],
])('broken or cut off: %s', async (_, damage, said) => {
  writeDay(root, 'sys-dns', damage(day(pcaps())));
  writeDay(root, 'sys-vpn', gzipSync(tar(...withManifest('sys-vpn', PCAPS, pcaps()))));
  const { problems } = await read();
  expect(problems.filter((line) => line.startsWith(said))).toHaveLength(1);
  const [, other] = await findDays(root);
  if (other === undefined) throw new Error('no other');
  const source = await openDay(other, { temporary });
  expect([source.host, source.savefiles.length, source.problems]).toEqual(['sys-vpn', 2, []]);
  source.close();
});

test('sizes that lie', async () => {
  const short = gzipSync(
    Buffer.concat([
      tarEntry({ name: `netpcap/${FIRST}`, bytes: savefile(NOON) }),
      tarEntry({ name: 'netpcap/b.pcap', bytes: savefile(NOON), size: 9999 }),
    ]),
  );
  writeDay(root, 'sys-dns', day(short));
  expect(await read()).toMatchObject({
    savefiles: { [FIRST]: 3 },
    problems: [expect.stringMatching(/^sys-dns .*: the archive is cut off, \d+ bytes of a file are missing$/)],
  });
  writeDay(root, 'sys-dns', day(pcaps({ name: 'netpcap/b.pcap', bytes: savefile(NOON, 20), size: 100 })));
  expect(await read()).toMatchObject({
    savefiles: { [FIRST]: 3 },
    problems: [`${SAID}a header of the archive is broken`],
  });
});

test('long names of GNU and pax, and what they may claim', async () => {
  const long = `${'n'.repeat(150)}.pcap`;
  const pax = (records: string): { name: string; type: string; bytes: Buffer } => ({
    name: 'x',
    type: 'x',
    bytes: Buffer.from(records),
  });
  const record = (text: string): string => `${text.length + 4} ${text}\n`;
  writeDay(
    root,
    'sys-dns',
    day(
      pcaps(
        { name: 'long', type: 'L', bytes: Buffer.from(`netpcap/${long}\0`) },
        { name: 'short', bytes: savefile(NOON, 1) },
        pax(record('path=netpcap/by-pax.pcap')),
        { name: 'short', bytes: savefile(NOON, 2) },
        pax(record('GNU.sparse.major=1')),
        { name: 'netpcap/s.pcap', bytes: savefile(NOON, 2) },
        pax(record('path=../../victim')),
        { name: 'netpcap/v.pcap', bytes: savefile(NOON, 2) },
      ),
    ),
  );
  const { savefiles, problems } = await read();
  expect(savefiles).toEqual({ [FIRST]: 3, [SECOND]: 3, [long]: 1, 'by-pax.pcap': 2 });
  expect(problems).toEqual([
    `${SAID}the sparse file netpcap/s.pcap is left out`,
    `${SAID}a file with the name ../../victim is left out`,
  ]);
  writeDay(root, 'sys-dns', day(pcaps({ name: 'x', type: 'L', size: 2 ** 31 })));
  expect((await read()).problems).toEqual([`${SAID}more than 16384 bytes of a long name`]);
  writeDay(root, 'sys-dns', day(pcaps(pax('9 size=x\n'))));
  expect((await read()).problems).toHaveLength(1);
});

test('savefiles that are none, and broken ones, are told by name', async () => {
  const good = savefile(NOON);
  writeDay(
    root,
    'sys-dns',
    day(
      pcaps(
        { name: 'netpcap/none.pcap', bytes: Buffer.from('nonsense') },
        { name: 'netpcap/torn.pcap', bytes: good.subarray(0, -7) },
        { name: 'netpcap/empty.pcap' },
      ),
    ),
  );
  const { savefiles, problems } = await read();
  expect(problems).toEqual([]);
  expect(savefiles['none.pcap']).toContain(`sys-dns ${DAY}: none.pcap: `);
  expect(savefiles['torn.pcap']).toContain(`sys-dns ${DAY}: torn.pcap: truncated`);
  expect(savefiles['empty.pcap']).toContain(`sys-dns ${DAY}: empty.pcap: `);
  expect(savefiles).toMatchObject({ [FIRST]: 3, [SECOND]: 3 });
});

test.each([
  ['no JSON', '{', 'it is no JSON'],
  ['an array', '[]', 'it is no object'],
  ['deep', `${'['.repeat(30_000)}`, 'it is no JSON'],
  ['huge', ' '.repeat(70_000), '70000 bytes are more than 65536'],
  ['another version', { version: 2 }, 'version 2 is not 1'],
  ['another source', { source: 'sys-vpn' }, `it is of sys-vpn ${DAY}`],
  ['a source with markup', { source: '<img>\x1b' }, "source '<img>\\x1b' is not of the protocol"],
  ['a path', { file: '../../victim' }, "file '../../victim' is not of the protocol"],
  ['another kind', { kind: 'nft' }, `file ${PCAPS} is not of kind nft, encrypted false`],
  ['bytes', { bytes: -1 }, 'bytes -1 is no count'],
  ['a fact', { facts: { a: 'x\ny' } }, "the fact 'a' is not of the protocol"],
  ['a fact that is a number', { facts: { files: 3 } }, "the fact 'files' is not of the protocol"],
  [
    'too many facts',
    { facts: Object.fromEntries(Array.from({ length: 201 }, (_, n) => [`a${n}`, '1'])) },
    '201 facts are more than 200',
  ],
  ['time', { since: 'yesterday' }, "since 'yesterday' is not of the protocol"],
])('a manifest with %s', async (_, change, said) => {
  const bundle = pcaps();
  const text =
    typeof change === 'string' ? change : JSON.stringify({ ...manifest('sys-dns', PCAPS, bundle), ...change });
  writeDay(
    root,
    'sys-dns',
    gzipSync(
      tar({ name: `${DAY}/${PCAPS}`, bytes: bundle }, { name: `${DAY}/manifest.json`, bytes: Buffer.from(text) }),
    ),
  );
  const { problems, savefiles } = await read();
  expect(problems).toEqual([
    `sys-dns ${DAY}: manifest.json: ${said}`,
    `${SAID}no manifest has its SHA-256, so that it can not be checked`,
  ]);
  expect(savefiles).toEqual({ [FIRST]: 3, [SECOND]: 3 });
});

test('a bundle that is not what its manifest says is not read', async () => {
  const bundle = pcaps();
  const [, said = { name: '' }] = withManifest('sys-dns', PCAPS, pcaps({ name: 'netpcap/x.pcap' }));
  writeDay(
    root,
    'sys-dns',
    gzipSync(
      tar({ name: `${DAY}/${PCAPS}`, bytes: bundle }, said, ...withManifest('sys-dns', `pcaps-${DAY}-2.tgz`, bundle)),
    ),
  );
  const { problems, savefiles, source } = await read();
  expect(problems).toEqual([expect.stringMatching(/: \d+ bytes are not the \d+ of its manifest$/)]);
  expect(savefiles).toEqual({ [FIRST]: 3, [SECOND]: 3 });
  expect(source.gaps.map(({ kind }) => kind)).toEqual(['damaged']);
  const [first, second] = withManifest('sys-dns', PCAPS, bundle);
  const changed = Buffer.from(bundle);
  changed.writeUInt8(changed.readUInt8(9) ^ 1, 9); // of the gzip header, so that only the hash tells
  writeDay(
    root,
    'sys-dns',
    gzipSync(tar({ ...first, name: `${DAY}/${PCAPS}`, bytes: changed }, second ?? { name: '' })),
  );
  expect((await read()).problems).toEqual([`${SAID}its SHA-256 is not that of its manifest`]);
});

test('links and pipes where an archive or a savefile should lie', async () => {
  mkdirSync(join(root, DAY));
  symlinkSync(join(directory, 'victim'), join(root, DAY, 'sys-dns.tgz'));
  mkdirSync(join(root, DAY, 'sys-vpn'));
  symlinkSync(join(directory, 'victim'), join(root, DAY, 'sys-vpn', FIRST));
  spawnSync('mkfifo', [join(root, DAY, 'sys-vpn', SECOND)]);
  symlinkSync('/', join(root, DAY, 'sys-net'));
  expect(await findDays(root)).toEqual([]);
});

test('a ledger that is a link to what has no end', async () => {
  writeFileSync(join(root, 'pcap-20261124120000.pcap'), savefile(NOON));
  symlinkSync('/dev/zero', join(root, 'pcap.ledger.jsonl'));
  const { problems, savefiles } = await read();
  expect(problems).toEqual([expect.stringMatching(/pcap\.ledger\.jsonl: it is no file of at most 67108864 bytes$/)]);
  expect(savefiles).toEqual({ [SECOND]: 3 });
});

test('a bundle that goes away while the others are read', async () => {
  const folder = join(root, DAY, 'sys-dns');
  mkdirSync(folder, { recursive: true });
  for (const { name, bytes } of [
    ...withManifest('sys-dns', PCAPS, pcaps()),
    ...withManifest('sys-dns', `pcaps-${DAY}-2.tgz`, pcaps()),
  ])
    writeFileSync(join(root, name.replace(DAY, `${DAY}/sys-dns`)), bytes ?? '');
  const [found] = await findDays(root);
  if (found === undefined) throw new Error('no day');
  rmSync(join(folder, PCAPS));
  const { savefiles, problems, close } = await openDay(found, { temporary });
  close();
  expect(savefiles).toHaveLength(2);
  expect(problems).toEqual([expect.stringContaining(`${PCAPS}: No such file or directory`)]);
});

test('a disk that has no room ends it, and nothing stays', async () => {
  writeDay(root, 'sys-dns', day(pcaps()));
  const [found] = await findDays(root);
  if (found === undefined) throw new Error('no day');
  const small = mkdtempSync(join(temporary, 'small-'));
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4k,nr_inodes=20', 'small', small]).status).toBe(0);
  try {
    writeFileSync(join(small, 'full'), Buffer.alloc(4096));
    await expect(openDay(found, { temporary: small })).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(readdirSync(small)).toEqual(['full']);
  } finally {
    spawnSync('umount', [small]);
    rmSync(small, { recursive: true });
  }
});

test('any damage to a tar ends within it', async () => {
  const good = tar(
    { name: 'a', bytes: Buffer.alloc(100) },
    { name: 'x', type: 'x', bytes: Buffer.from('13 path=abcd\n') },
    { name: 'b', bytes: Buffer.alloc(600) },
  );
  const change = fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { maxLength: 5 }),
      fc.nat(good.length),
      fc.integer({ min: 1, max: 700 }),
      async (changes, length, size) => {
        const bytes = Buffer.from(good.subarray(0, length));
        for (const { at, byte } of changes) if (at < bytes.length) bytes[at] = byte;
        async function* pieces(): AsyncGenerator<Uint8Array> {
          for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
        }
        let given = 0;
        try {
          for await (const entry of readTar(pieces(), 'a tar', 10))
            for await (const part of entry.bytes()) given += part.length;
        } catch (cause) {
          expect(cause).toMatchObject({ code: expect.stringMatching(/^ERR_(DAMAGE|BOUND)$/) });
        }
        expect(given).toBeLessThanOrEqual(bytes.length);
      },
    ),
    { numRuns: 500 },
  );
});
