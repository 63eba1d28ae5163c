// Days as the vault, pull-netlogs-to-work and open-netlogs.sh leave them, made by GNU tar, gzip and age, and a directory that
// a capture of ours writes to.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type DaySource, type OpenOptions, openDay } from '../../../src/netlog/bundle/day-source.ts';
import { findDays, localDay } from '../../../src/netlog/bundle/days.ts';
import { Ledger } from '../../../src/rotation/ledger.ts';
import { DAY, manifest, NOON, savefile } from './make-tar.ts';

const SOURCES = fileURLToPath(new URL('../../../src', import.meta.url));
const LINE = `${DAY}T01:02:03.000004+0000 sys-net kernel: SYSNET:new IN=a OUT=b SRC=192.0.2.1 DST=192.0.2.2 LEN=40 \n`;

let directory: string;
let vault: string;
let root: string;
let temporary: string;

const shell = (script: string): string => execFileSync('bash', ['-ec', script], { cwd: directory, encoding: 'utf8' });

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'day-source-'));
  [vault, root, temporary] = [join(directory, 'vault'), join(directory, 'NetLogs'), join(directory, 'temporary')];
  for (const path of [vault, root, temporary]) mkdirSync(path);
});
afterEach(() => {
  expect(readdirSync(temporary)).toEqual([]);
  rmSync(directory, { recursive: true });
});

/** What a source sends and the vault keeps: `facts` by the file's kind. */
function keep(
  source: string,
  file: string,
  bundle: Buffer,
  facts: Readonly<Record<string, string>> = {},
  suffix = '',
): void {
  const path = join(vault, source, DAY);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, file), bundle);
  writeFileSync(
    join(path, `manifest${suffix}.json`),
    JSON.stringify(manifest(source, file, bundle, facts), undefined, 2),
  );
}

function bundleOf(...names: readonly string[]): Buffer {
  mkdirSync(join(directory, 'netpcap'), { recursive: true });
  for (const [n, name] of names.entries()) {
    const bytes = savefile(NOON + n);
    writeFileSync(join(directory, 'netpcap', name), name.endsWith('.gz') ? gzipSync(bytes) : bytes);
  }
  return execFileSync(
    'sh',
    ['-c', 'tar --owner=0 --group=0 -c -- "$@" | gzip -n', 'sh', ...names.map((name) => `netpcap/${name}`)],
    { cwd: directory },
  );
}

/** As pull-netlogs-to-work does. */
function pull(source: string): void {
  mkdirSync(join(root, DAY), { recursive: true });
  shell(`tar -C vault/${source} -cz ${DAY} > NetLogs/${DAY}/${source}.tgz`);
}

async function open(from: string = root, options: OpenOptions = {}): Promise<DaySource[]> {
  const days = await findDays(from, 'here');
  const sources: DaySource[] = [];
  for (const found of days) sources.push(await openDay(found, { temporary, ...options }));
  return sources;
}

async function contents(source: DaySource): Promise<unknown> {
  const savefiles: Record<string, number> = {};
  for (const { name, open: openOne } of source.savefiles) {
    const reader = await openOne();
    savefiles[name] = (await reader.next())?.records ?? 0;
    await reader.close();
  }
  const logs: Record<string, number> = {};
  for (const { name, read } of source.nftLogs) {
    logs[name] = 0;
    for await (const records of read()) logs[name] += records.length;
  }
  const { host, day, problems } = source;
  return { host, day, savefiles, logs, problems: [...problems] };
}

/** All of them, closed. */
async function all(from?: string, options?: OpenOptions): Promise<unknown[]> {
  const sources = await open(from, options);
  const read: unknown[] = [];
  for (const source of sources) {
    read.push(await contents(source));
    source.close();
  }
  return read;
}

const NAMES = ['pcap-20261124110000.pcap', 'pcap-20261124120000.pcap.gz'] as const;
const EXPECTED = [
  { host: 'sys-dns', day: DAY, savefiles: { [NAMES[0]]: 3, [NAMES[1]]: 3 }, logs: {}, problems: [] },
  {
    host: 'sys-net',
    day: DAY,
    savefiles: {},
    logs: { [`nft-${DAY}.log.gz`]: 2, [`nft-${DAY}-2.log.gz`]: 1 },
    problems: [],
  },
];

function keepAll(): void {
  keep('sys-dns', `pcaps-${DAY}.tgz`, bundleOf(...NAMES), {
    files: '2',
    dropped: '7',
    gap_1: '1795500000000/1795500005000',
  });
  keep('sys-net', `nft-${DAY}.log.gz`, gzipSync(LINE.repeat(2)), {
    new_seen: '10',
    new_logged: '4',
    dns_seen: '1',
    dns_logged: '1',
  });
  keep('sys-net', `nft-${DAY}-2.log.gz`, gzipSync(LINE), { table: 'missing' }, '-2');
}

test('as pull-netlogs-to-work leaves it, and as it lies in the vault', async () => {
  keepAll();
  for (const source of ['sys-dns', 'sys-net']) pull(source);
  const byName = (logs: object): string[] => Object.keys(logs).sort();
  for (const from of [root, join(root, DAY), vault]) {
    const read = await all(from);
    expect(read).toEqual(EXPECTED);
    expect(byName((read[1] as { logs: object }).logs)).toHaveLength(2);
  }
});

test('facts of manifests become gaps', async () => {
  keepAll();
  pull('sys-dns');
  pull('sys-net');
  const [dns, net] = await open();
  const span = { fromMs: Date.parse('2026-11-23T00:00:00Z'), toMs: Date.parse('2026-11-24T03:35:00Z') };
  expect(dns?.gaps).toEqual([
    { ...span, kind: 'dropped', count: 7, about: `dropped by the kernel, pcaps-${DAY}.tgz` },
    { fromMs: 1795500000000, toMs: 1795500005000, kind: 'gap', about: `the interface was away, pcaps-${DAY}.tgz` },
  ]);
  expect(net?.gaps).toEqual([
    { ...span, kind: 'unlogged', about: `no rules logged when the backup ran, nft-${DAY}-2.log.gz` },
    {
      ...span,
      kind: 'unlogged',
      count: 6,
      about: `new: above the rate since the rules were loaded, nft-${DAY}.log.gz`,
    },
  ]);
  expect(dns?.manifests[0]?.facts.get('files')).toBe('2');
  for (const source of [dns, net]) source?.close();
});

test('as open-netlogs.sh unpacks it: the archive is preferred, the folder is enough', async () => {
  keepAll();
  pull('sys-dns');
  const folder = join(root, DAY, 'sys-dns');
  shell(`mkdir NetLogs/${DAY}/sys-dns && tar -C NetLogs/${DAY}/sys-dns -xzf vault/sys-dns/${DAY}/pcaps-${DAY}.tgz
    cp vault/sys-dns/${DAY}/manifest.json NetLogs/${DAY}/sys-dns/`);
  cpSync(join(vault, 'sys-net', DAY), join(root, DAY, 'sys-net'), { recursive: true });
  expect(await all()).toEqual(EXPECTED);
  writeFileSync(join(folder, 'netpcap', 'pcap-x.pcap'), savefile(NOON));
  expect(await all()).toEqual(EXPECTED);
  rmSync(join(root, DAY, 'sys-dns.tgz'));
  rmSync(join(folder, 'netpcap', 'pcap-x.pcap'));
  expect(await all()).toEqual(EXPECTED);
});

test('a savefile in two bundles is one; a bundle that its manifest only names is missing', async () => {
  const bundle = bundleOf(...NAMES);
  keep('sys-dns', `pcaps-${DAY}.tgz`, bundle);
  keep('sys-dns', `pcaps-${DAY}-2.tgz`, bundle, {}, '-2');
  keep('sys-net', `nft-${DAY}.log.gz`, gzipSync(LINE));
  keep('sys-net', `nft-${DAY}-2.log.gz`, gzipSync(LINE), {}, '-2');
  rmSync(join(vault, 'sys-net', DAY, `nft-${DAY}.log.gz`));
  for (const source of ['sys-dns', 'sys-net']) pull(source);
  const [dns, net] = await open();
  expect([dns?.savefiles.map(({ name }) => name), dns?.problems]).toEqual([[...NAMES], []]);
  expect(net?.problems).toEqual([`sys-net ${DAY}: nft-${DAY}.log.gz: there is a manifest of it, and no bundle`]);
  expect(net?.gaps).toMatchObject([{ kind: 'missing', about: `no bundle nft-${DAY}.log.gz` }]);
  for (const source of [dns, net]) source?.close();
});

test('two savefiles of one name that are not the same', async () => {
  keep('sys-dns', `pcaps-${DAY}.tgz`, bundleOf('pcap-20261124110000.pcap'));
  keep('sys-dns', `pcaps-${DAY}-2.tgz`, bundleOf('pcap-20261124100000.pcap', 'pcap-20261124110000.pcap'), {}, '-2');
  pull('sys-dns');
  const [source] = await open();
  expect(source?.savefiles).toHaveLength(2);
  const said = 'another savefile with the name pcap-20261124110000.pcap is left out';
  expect(source?.problems).toEqual([expect.stringMatching(`^sys-dns ${DAY}: pcaps-${DAY}(-2)?.tgz: ${said}$`)]);
  source?.close();
});

test('an hour without a savefile', async () => {
  const hours = ['05', '06', '07', '10', '11', '12'];
  keep('sys-dns', `pcaps-${DAY}.tgz`, bundleOf(...hours.map((hour) => `pcap-20261124${hour}0000.pcap`)));
  pull('sys-dns');
  const [source] = await open();
  const at = (hour: number): number => new Date(2026, 10, 24, hour).getTime();
  expect(source?.gaps).toEqual([{ kind: 'missing', fromMs: at(8), toMs: at(10), about: 'no savefile' }]);
  source?.close();
});

test('encrypted bundles: told, and opened with the identity', async () => {
  const identity = join(directory, 'identity');
  const other = join(directory, 'other');
  for (const file of [identity, other]) execFileSync('age-keygen', ['-o', file], { stdio: 'ignore' });
  const recipient = /age1\w+/.exec(readFileSync(identity, 'utf8'))?.[0] ?? '';
  const encrypt = (bytes: Buffer): Buffer =>
    execFileSync('age', ['--encrypt', '--recipient', recipient], { input: bytes });
  keep('sys-dns', `pcaps-${DAY}.tgz.age`, encrypt(bundleOf(...NAMES)));
  keep('sys-net', `nft-${DAY}.log.gz.age`, encrypt(gzipSync(LINE.repeat(2))));
  keep('sys-net', `nft-${DAY}-2.log.gz.age`, encrypt(gzipSync(LINE)), {}, '-2');
  for (const source of ['sys-dns', 'sys-net']) pull(source);
  expect(await all(root, { identity })).toEqual(EXPECTED);
  const said = `sys-dns ${DAY}: pcaps-${DAY}.tgz.age: `;
  expect(await all()).toMatchObject([
    { savefiles: {}, problems: [`${said}it is encrypted, and there is no identity to open it`] },
    {},
  ]);
  expect(await all(root, { identity: other })).toMatchObject([
    { savefiles: {}, problems: [expect.stringMatching(`^${said}age: .`)] },
    {},
  ]);
});

test('a directory of anything: by the day of the first packet or line, with what its ledger says', async () => {
  const path = join(directory, 'netpcap');
  mkdirSync(path);
  writeFileSync(join(path, 'a.pcap'), savefile(NOON));
  writeFileSync(join(path, 'b.pcap.gz'), gzipSync(savefile(NOON - 86_400)));
  writeFileSync(join(path, 'c.pcap.part'), savefile(NOON));
  writeFileSync(join(path, 'saved.log'), LINE);
  writeFileSync(join(path, 'notes.txt'), 'nothing of it');
  writeFileSync(join(path, 'broken.pcap'), 'nothing of it');
  const ledger = Ledger.open({ directory: path, series: 'pcap', fileMode: 0o640, notice: () => {} });
  await ledger.append({ type: 'gap', device: 'eth0', reason: 'down', fromMs: NOON * 1000, toMs: NOON * 1000 + 5000 });
  await ledger.append({ type: 'lost', packets: 9, fromMs: (NOON - 86_400) * 1000, toMs: (NOON - 86_400) * 1000 });
  await ledger.close();
  const read = await all(path);
  const [before, day] = [localDay((NOON - 86_400) * 1000), localDay(NOON * 1000)];
  expect(read).toEqual([
    { host: 'here', day: before, savefiles: { 'b.pcap.gz': 3 }, logs: {}, problems: [] },
    { host: 'here', day, savefiles: { 'a.pcap': 3 }, logs: { 'saved.log': 1 }, problems: [] },
  ]);
  const [first, second] = await open(path);
  expect(first?.gaps).toMatchObject([{ kind: 'lost', count: 9 }]);
  expect(second?.gaps).toMatchObject([{ kind: 'gap', about: 'the interface was down' }]);
  for (const source of [first, second]) source?.close();
});

test('the fingerprint changes with the files, and only then', async () => {
  keepAll();
  pull('sys-dns');
  const print = async (): Promise<string> => (await findDays(root)).map(({ fingerprint }) => fingerprint).join();
  const archive = join(root, DAY, 'sys-dns.tgz');
  const before = await print();
  expect(await print()).toBe(before);
  const { atime, mtime } = statSync(archive);
  writeFileSync(archive, readFileSync(archive).subarray(1));
  utimesSync(archive, atime, mtime);
  expect(await print()).not.toBe(before);
  renameSync(archive, join(root, DAY, 'sys-vpn.tgz'));
  expect(await print()).not.toBe(before);
});

test('what was unpacked goes when the process is stopped or ends', async () => {
  keepAll();
  pull('sys-dns');
  const script = `import { findDays } from '${SOURCES}/netlog/bundle/days.ts';
    import { openDay } from '${SOURCES}/netlog/bundle/day-source.ts';
    const [found] = await findDays(process.argv[1]);
    const { savefiles } = await openDay(found, { temporary: process.argv[2] });
    console.log(savefiles.length);
    if (process.argv[3] === 'stay') setInterval(() => {}, 1000);`;
  for (const [mode, signal] of [
    ['stay', 'SIGINT'],
    ['stay', 'SIGTERM'],
    ['end', null],
  ] as const) {
    const run = spawn(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', script, root, temporary, mode],
      { cwd: SOURCES, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = once(run, 'close');
    const [said] = await once(run.stdout, 'data');
    expect(String(said)).toBe('2\n');
    if (signal !== null) {
      expect(readdirSync(temporary)).toHaveLength(1);
      run.kill(signal);
    }
    expect(await ended).toEqual(signal === null ? [0, null] : [null, signal]);
    expect(readdirSync(temporary)).toEqual([]);
  }
});
