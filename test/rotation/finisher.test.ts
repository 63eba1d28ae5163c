// What is done with complete savefiles in the background: in which order, what is left when a step fails, and what becomes
// of a file that is evicted meanwhile.
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Finisher, type FinisherOptions } from '../../src/rotation/finisher.ts';
import { Ledger } from '../../src/rotation/ledger.ts';
import type { CompleteFile, LeftCopy } from '../../src/rotation/stock.ts';
import { CompletionCommand } from '../../src/service/completion-command.ts';
import { Tmpfs } from '../tmpfs.ts';
import { brief, readChain } from './chain.ts';
import { savefileBytes } from './savefile-bytes.ts';

const { watch, watched } = await vi.hoisted(() => import('./watched-fs.ts'));
vi.mock('node:fs/promises', async (load) => watched(await load(), ['rename', 'rm', 'open']));

const root = mkdtempSync(join(tmpdir(), 'finisher-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir = '';
let ledger: Ledger;
let notices: string[] = [];
let disk: Tmpfs | undefined;
const notice = (text: string): void => void notices.push(text);
beforeEach(() => {
  use(mkdtempSync(join(root, 'dir-')));
});
afterEach(async () => {
  await ledger.close();
  watch.afterCall = () => {};
  watch.fail = undefined;
  disk?.unmount();
  disk = undefined;
});

function use(directory: string): void {
  dir = directory;
  notices = [];
  ledger = Ledger.open({ directory, series: 'pcap', fileMode: 0o640, notice });
}

const finisher = (options: Partial<FinisherOptions> = {}): Finisher =>
  new Finisher({
    directory: dir,
    ledger,
    fileMode: 0o640,
    compress: undefined,
    command: undefined,
    notice,
    ...options,
  });

const NAME = 'pcap-1.pcap';
const CONTENT = savefileBytes(Array.from({ length: 1000 }, (_, n) => n));

function complete(name: string = NAME): CompleteFile {
  writeFileSync(join(dir, name), CONTENT);
  return { name, fileName: name, bytes: CONTENT.length, endMs: 0, gone: false };
}

/** A program that appends the names it is called with, and what is there then, to `log`. */
function program(): CompletionCommand {
  const path = join(dir, 'program');
  writeFileSync(path, `#!/bin/sh\necho "$(basename "$1")" $(ls ${dir} | grep '^pcap-' | tr '\\n' ' ') >> ${dir}/log\n`);
  chmodSync(path, 0o755);
  return new CompletionCommand(path, notice);
}
const log = (): string[] =>
  readFileSync(join(dir, 'log'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.trim());
const pcaps = (): string[] =>
  readdirSync(dir)
    .filter((name) => name.startsWith('pcap-'))
    .sort();

async function lines(): Promise<string[]> {
  await ledger.close();
  return brief(readChain(dir, 'pcap'));
}

test('nothing to do', async () => {
  await finisher().settled();
  expect(await lines()).toEqual([]);
});

test('the hash, the compressed copy in the place of the file, the command, in this order', async () => {
  const file = complete();
  const work = finisher({ compress: 'gzip', command: program() });
  work.add(file);
  await work.settled();
  expect(pcaps()).toEqual([`${NAME}.gz`]);
  expect(gunzipSync(readFileSync(join(dir, `${NAME}.gz`)))).toEqual(CONTENT);
  expect(file).toMatchObject({ name: NAME, fileName: `${NAME}.gz`, gone: false });
  expect(file.bytes).toBe(readFileSync(join(dir, `${NAME}.gz`)).length);
  expect(log()).toEqual([`${NAME}.gz ${NAME}.gz`]);
  expect(await lines()).toEqual([`hash ${NAME}`, `compress ${NAME}`]);
  expect(readChain(dir, 'pcap')).toMatchObject([
    { bytes: CONTENT.length, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    { as: `${NAME}.gz`, bytes: file.bytes, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
  ]);
  expect(notices).toEqual([]);
});

test('one file after the other, in order; never both a file and its copy under a complete name', async () => {
  let seen = 0;
  watch.afterCall = () => {
    const names = pcaps().filter((name) => !name.endsWith('.part'));
    const bases = names.map((name) => name.replace('.gz', ''));
    expect(bases).toEqual([...new Set(bases)]);
    seen++;
  };
  const work = finisher({ compress: 'gzip' });
  const names = Array.from({ length: 9 }, (_, n) => `pcap-${n}.pcap`);
  for (const name of names) work.add(complete(name));
  await work.settled();
  expect(seen).toBeGreaterThan(9);
  expect(await lines()).toEqual(names.flatMap((name) => [`hash ${name}`, `compress ${name}`]));
});

test('without a ledger there is no hash, all else is the same', async () => {
  const work = finisher({ ledger: undefined, compress: 'gzip', command: program() });
  work.add(complete());
  await work.settled();
  expect(pcaps()).toEqual([`${NAME}.gz`]);
  expect(log()).toHaveLength(1);
  expect(await lines()).toEqual([]);
});

test('a file that is compressed already is neither hashed nor compressed again', async () => {
  const work = finisher({ compress: 'gzip', command: program() });
  writeFileSync(join(dir, `${NAME}.gz`), gzipSync(CONTENT));
  work.add({ name: NAME, fileName: `${NAME}.gz`, bytes: 0, endMs: 0, gone: false });
  await work.settled();
  expect(log()).toEqual([`${NAME}.gz ${NAME}.gz`]);
  expect(await lines()).toEqual([]);
});

describe('a file that is evicted', () => {
  test('before its turn: nothing is done with it', async () => {
    const work = finisher({ compress: 'gzip', command: program() });
    const file = complete();
    work.add(file);
    file.gone = true;
    unlinkSync(join(dir, NAME));
    await work.settled();
    expect(existsSync(join(dir, 'log'))).toBe(false);
    expect(await lines()).toEqual([]);
    expect(notices).toEqual([]);
  });

  test.each([
    ['while it is hashed', 1],
    ['while it is compressed', 3],
    ['when it is about to be replaced', 4],
    ['when its copy is about to get its name', 5],
  ])('%s: no copy of it stays', async (_, call) => {
    const file = complete();
    let calls = 0;
    let evicted: Promise<void> | undefined;
    // As the ring does it.
    const evict = async (): Promise<void> => {
      file.gone = true;
      await file.replacing;
      for (const fileName of [NAME, `${NAME}.gz`, file.fileName]) rmSync(join(dir, fileName), { force: true });
    };
    watch.afterCall = () => {
      if (++calls === call) evicted = evict();
    };
    const work = finisher({ compress: 'gzip', command: program() });
    work.add(file);
    await work.settled();
    expect(calls).toBeGreaterThanOrEqual(call);
    await evicted;
    expect(pcaps()).toEqual([]);
    expect(existsSync(join(dir, 'log'))).toBe(false);
    expect(notices).toEqual([]);
  });
});

describe('a step that fails', () => {
  test('the file is gone by a hand that is not ours: nothing to say', async () => {
    const work = finisher({ compress: 'gzip' });
    const file = complete();
    unlinkSync(join(dir, NAME));
    work.add(file);
    work.add(complete('pcap-2.pcap'));
    await work.settled();
    expect(await lines()).toEqual(['hash pcap-2.pcap', 'compress pcap-2.pcap']);
    expect(notices).toEqual([]);
  });

  test('no room for the copy: said, the file stays, the command runs, the next is compressed', async () => {
    disk = Tmpfs.mount('1m');
    use(disk.path);
    const work = finisher({ compress: 'gzip', command: program() });
    // What does not compress.
    const noise = Buffer.concat([
      CONTENT.subarray(0, 24),
      Buffer.from(Array.from({ length: 300_000 }, () => Math.random() * 256)),
    ]);
    const file = complete();
    writeFileSync(join(dir, NAME), noise);
    await ledger.append({ type: 'step', byMs: 0 }); // has its reserve
    disk.fill(20);
    work.add(file);
    await work.settled();
    expect(notices).toEqual([
      expect.stringMatching(/^write .*: ENOSPC \(no space left on device\): pcap-1.pcap stays as it is$/),
    ]);
    expect(pcaps()).toEqual([NAME]);
    expect(log()).toEqual([`${NAME} ${NAME}`]);
    disk.giveBack();
    work.add(complete('pcap-2.pcap'));
    await work.settled();
    expect(pcaps()).toEqual([NAME, 'pcap-2.pcap.gz']);
    expect(await lines()).toEqual(['step', `hash ${NAME}`, 'hash pcap-2.pcap', 'compress pcap-2.pcap']);
  });

  test('the savefile can not be deleted: it stays, and its copy for the next start', async () => {
    const work = finisher({ compress: 'gzip', command: program() });
    const file = complete();
    watch.fail = { call: 'rm', code: 'EIO' };
    work.add(file);
    await work.settled();
    expect(notices).toEqual([expect.stringMatching(/^rm .*: EIO: pcap-1.pcap stays as it is$/)]);
    expect(pcaps()).toEqual([NAME, `${NAME}.gz.part`]);
    expect(file.fileName).toBe(NAME);
    expect(log()).toEqual([`${NAME} ${NAME} ${NAME}.gz.part`]);
  });

  test('the copy can not be renamed: tried until it works, and only then the command runs', async () => {
    const work = finisher({ compress: 'gzip', command: program() });
    const file = complete();
    watch.fail = { call: 'rename', code: 'EIO' };
    work.add(file);
    await vi.waitUntil(() => notices.length > 0);
    expect(pcaps()).toEqual([`${NAME}.gz.part`]);
    expect(file.fileName).toBe(`${NAME}.gz.part`);
    expect(existsSync(join(dir, 'log'))).toBe(false);
    watch.fail = undefined;
    await work.settled();
    expect(pcaps()).toEqual([`${NAME}.gz`]);
    expect(log()).toEqual([`${NAME}.gz ${NAME}.gz`]);
    expect(notices).toEqual([expect.stringMatching(/^rename .*: EIO: compressed savefiles wait as .part$/)]);
  });

  test('the copy still can not be renamed at the end: it is there for the next start', async () => {
    const work = finisher({ compress: 'gzip', command: program() });
    watch.fail = { call: 'rename', code: 'EIO' };
    work.add(complete());
    await vi.waitUntil(() => notices.length > 0);
    work.hurry();
    await work.settled();
    expect(pcaps()).toEqual([`${NAME}.gz.part`]);
    expect(gunzipSync(readFileSync(join(dir, `${NAME}.gz.part`)))).toEqual(CONTENT);
    expect(existsSync(join(dir, 'log'))).toBe(false);
  });

  test('the savefile is released while its copy is made: the copy goes with it', async () => {
    const work = finisher({ compress: 'gzip', command: program() });
    let calls = 0;
    watch.afterCall = () => {
      if (++calls === 3) rmSync(join(dir, NAME)); // both files are open
    };
    work.add(complete());
    await work.settled();
    expect(pcaps()).toEqual([]);
    expect(notices).toEqual([]);
  });

  test('someone removes the copy that waits for its name: nothing waits any more', async () => {
    const work = finisher({ compress: 'gzip' });
    watch.fail = { call: 'rename', code: 'EIO' };
    work.add(complete());
    await vi.waitUntil(() => notices.length > 0);
    unlinkSync(join(dir, `${NAME}.gz.part`));
    await work.settled();
    expect(pcaps()).toEqual([]);
  });
});

describe('a copy that a process left that died', () => {
  const gzip = gzipSync(CONTENT);

  /** All there is of a savefile, unless it is `useless`. */
  function copy(bytes: Uint8Array, useless = false): LeftCopy {
    const fileName = `${NAME}.gz.part`;
    writeFileSync(join(dir, fileName), bytes);
    const file = { name: NAME, fileName, bytes: bytes.length, endMs: 0, gone: false };
    return { name: NAME, fileName, file: useless ? undefined : file };
  }

  test('in the place of its savefile and whole: gets its name', async () => {
    const left = copy(gzip);
    await finisher().takeOver(left);
    expect(pcaps()).toEqual([`${NAME}.gz`]);
    expect(left.file).toMatchObject({ fileName: `${NAME}.gz`, gone: false });
  });

  test.each([
    ['cut', gzip.subarray(0, -9)],
    ['of a savefile that is cut', gzipSync(CONTENT.subarray(0, -1))],
    ['of no savefile', gzipSync('no savefile')],
    ['empty', gzip.subarray(0, 0)],
  ])('%s: removed, and gone', async (_, bytes) => {
    const left = copy(bytes);
    await finisher().takeOver(left);
    expect(pcaps()).toEqual([]);
    expect(left.file?.gone).toBe(true);
    expect(notices).toEqual([]);
  });

  test('of no use, however whole: removed', async () => {
    complete();
    await finisher().takeOver(copy(gzip, true));
    expect(pcaps()).toEqual([NAME]);
  });

  test('that can not be renamed at the end stays for the next start', async () => {
    watch.fail = { call: 'rename', code: 'EROFS' };
    const work = finisher();
    work.hurry();
    const left = copy(gzip);
    await work.takeOver(left);
    expect(pcaps()).toEqual([`${NAME}.gz.part`]);
    expect(left.file?.gone).toBe(false);
    expect(notices[0]).toMatch(/^rename .*: EROFS: pcap-1.pcap stays as it is$/);
  });
});
