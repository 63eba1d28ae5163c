// Savefiles of a process that died, made whole: any records, cut anywhere.
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { FormatError, SyscallError } from '../../src/errors.ts';
import { adopt } from '../../src/rotation/adoption.ts';
import { packetTime } from '../../src/rotation/savefile-scan.ts';
import { FILE_HEADER_LENGTH, RECORD_LENGTH, savefileBytes } from './savefile-bytes.ts';

const dir = mkdtempSync(join(tmpdir(), 'adoption-'));
const path = join(dir, 'pcap-1.pcap.part');
afterAll(() => rmSync(dir, { recursive: true }));

test('property: cut anywhere, what is left is every whole record, and what it says is what is there', async () => {
  const file = fc.tuple(fc.array(fc.nat(0xffffffff), { maxLength: 20 }), fc.boolean(), fc.boolean(), fc.boolean());
  const property = fc.asyncProperty(
    file,
    fc.double({ min: 0, max: 1, noNaN: true }),
    async ([secs, nano, bigEndian, sync], share) => {
      const bytes = savefileBytes(secs, { nano, bigEndian, fraction: 7 });
      const cut = Math.round(bytes.length * share);
      writeFileSync(path, bytes.subarray(0, cut));
      const adopted = await adopt(path, sync);
      if (cut < FILE_HEADER_LENGTH) {
        expect(adopted).toBeUndefined();
        expect(statSync(path).size).toBe(cut);
        return;
      }
      const packets = Math.floor((cut - FILE_HEADER_LENGTH) / RECORD_LENGTH);
      const whole = FILE_HEADER_LENGTH + packets * RECORD_LENGTH;
      const time = (sec: number | undefined): string | null =>
        sec === undefined ? null : packetTime({ sec, nsec: nano ? 7 : 7000 });
      const [first, last] = [time(secs[0]), time(secs[packets - 1])];
      expect(adopted).toEqual({
        packets,
        bytes: whole,
        cutBytes: cut - whole,
        first: packets > 0 ? first : null,
        last,
      });
      expect(readFileSync(path)).toEqual(bytes.subarray(0, whole));
      expect(await adopt(path, false)).toMatchObject({ packets, cutBytes: 0 });
    },
  );
  await fc.assert(property, { numRuns: 200 });
});

test('a file that is whole is not written to', async () => {
  writeFileSync(path, savefileBytes([1, 2]));
  const before = statSync(path, { bigint: true });
  await adopt(path, true);
  expect(statSync(path, { bigint: true }).ctimeNs).toBe(before.ctimeNs);
});

test('what is no savefile is refused and not touched', async () => {
  const text = 'the notes of someone who likes the names of our savefiles';
  writeFileSync(path, text);
  await expect(adopt(path, true)).rejects.toThrow(FormatError);
  expect(readFileSync(path, 'utf8')).toBe(text);
});

test('what the system refuses is a SyscallError', async () => {
  await expect(adopt(join(dir, 'missing'), true)).rejects.toThrow(SyscallError);
  await expect(adopt(dir, true)).rejects.toThrow(expect.objectContaining({ code: 'EISDIR' }));
  writeFileSync(path, savefileBytes([1]));
  chmodSync(path, 0o440); // root may all the same
  expect(await adopt(path, true)).toMatchObject({ packets: 1 });
});
