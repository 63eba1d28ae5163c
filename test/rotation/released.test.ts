// The list of released savefiles, from `tsnetpcap release` to the capture that enters them, with a crash at each step.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { SyscallError } from '../../src/errors.ts';
import { enterReleased, releasedFileName } from '../../src/rotation/released.ts';

const root = mkdtempSync(join(tmpdir(), 'released-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir = '';
let list = '';
let entered: string[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(root, 'dir-'));
  list = join(dir, releasedFileName('pcap'));
  entered = [];
});

const enter = async (name: string): Promise<void> => void entered.push(name);

test('no list, nothing to do', async () => {
  await enterReleased(dir, 'pcap', enter);
  expect([entered, readdirSync(dir)]).toEqual([[], []]);
  expect(releasedFileName('pcap')).toBe('pcap.released');
});

test('what is listed and gone is entered once, and the list is gone', async () => {
  writeFileSync(list, 'pcap-1.pcap\npcap-2.pcap\n\npcap-1.pcap\npcap-3.pcap');
  writeFileSync(join(dir, 'other.released'), 'other-1.pcap\n');
  await enterReleased(dir, 'pcap', enter);
  expect(entered).toEqual(['pcap-1.pcap', 'pcap-2.pcap', 'pcap-3.pcap']);
  expect(readdirSync(dir)).toEqual(['other.released']);
});

test.each(['', '.gz', '.zst'])('what is still there, as NAME%s, stays listed until it is gone', async (ending) => {
  writeFileSync(join(dir, `pcap-1.pcap${ending}`), 'savefile');
  writeFileSync(list, 'pcap-1.pcap\npcap-2.pcap\n');
  await enterReleased(dir, 'pcap', enter);
  expect(entered).toEqual(['pcap-2.pcap']);
  expect(readFileSync(list, 'utf8')).toBe('pcap-1.pcap\n');
  rmSync(join(dir, `pcap-1.pcap${ending}`));
  await enterReleased(dir, 'pcap', enter);
  expect(entered).toEqual(['pcap-2.pcap', 'pcap-1.pcap']);
  expect(readdirSync(dir)).toEqual([]);
});

test('a list that a process took and died is finished first, the new one then', async () => {
  writeFileSync(`${list}.taken`, 'pcap-1.pcap\n');
  writeFileSync(list, 'pcap-2.pcap\n');
  await enterReleased(dir, 'pcap', enter);
  expect(entered).toEqual(['pcap-1.pcap', 'pcap-2.pcap']);
  expect(readdirSync(dir)).toEqual([]);
});

test('what is released while the list is read begins a list of its own', async () => {
  writeFileSync(list, 'pcap-1.pcap\n');
  await enterReleased(dir, 'pcap', async (name) => {
    writeFileSync(list, 'pcap-2.pcap\n', { flag: 'a' });
    await enter(name);
  });
  expect(entered).toEqual(['pcap-1.pcap']);
  expect(readFileSync(list, 'utf8')).toBe('pcap-2.pcap\n');
});

test('a name that can not be entered keeps the list', async () => {
  writeFileSync(list, 'pcap-1.pcap\npcap-2.pcap\n');
  const failing = enterReleased(dir, 'pcap', async (name) => {
    if (name === 'pcap-2.pcap') throw new Error('no room');
    await enter(name);
  });
  await expect(failing).rejects.toThrow('no room');
  await enterReleased(dir, 'pcap', enter);
  expect(entered).toEqual(['pcap-1.pcap', 'pcap-1.pcap', 'pcap-2.pcap']);
});

test('what the system refuses is a SyscallError', async () => {
  mkdirSync(list);
  await expect(enterReleased(dir, 'pcap', enter)).rejects.toThrow(SyscallError);
  expect(entered).toEqual([]);
});
