// The digest of savefiles against sha256sum, and what the event loop gets to do meanwhile.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { SyscallError } from '../../src/errors.ts';
import { hashFile } from '../../src/rotation/digest.ts';
import { filePieces, PIECE_SIZE } from '../../src/rotation/file-pieces.ts';

const root = mkdtempSync(join(tmpdir(), 'digest-'));
afterAll(() => rmSync(root, { recursive: true }));

const descriptors = (): number => readdirSync('/proc/self/fd').length;

/** Bytes that differ from piece to piece. */
function fileOf(length: number): string {
  const path = join(root, String(length));
  const bytes = new Uint32Array(Math.ceil(length / 4)).map((_, n) => Math.imul(n, 2654435761));
  writeFileSync(path, new Uint8Array(bytes.buffer, 0, length));
  return path;
}

test.each([0, 1, 24, PIECE_SIZE - 1, PIECE_SIZE, PIECE_SIZE + 1, 5 * PIECE_SIZE + 4321])(
  'a file of %i bytes, as sha256sum sees it',
  async (length) => {
    const path = fileOf(length);
    const [sha256] = execFileSync('sha256sum', [path], { encoding: 'utf8' }).split(' ');
    const before = descriptors();
    expect(await hashFile(path)).toEqual({ bytes: length, sha256 });
    expect(descriptors()).toBe(before);
  },
);

test('the event loop turns between the pieces', async () => {
  const path = fileOf(20 * PIECE_SIZE);
  let turns = 0;
  let over = false;
  const turn = (): void => {
    turns++;
    if (!over) setImmediate(turn);
  };
  turn();
  await hashFile(path);
  over = true;
  expect(turns).toBeGreaterThanOrEqual(20);
});

test('all pieces lie in the same memory; who stops early leaves no descriptor open', async () => {
  const path = fileOf(3 * PIECE_SIZE + 1);
  const before = descriptors();
  const memory = new Set<ArrayBufferLike>();
  for await (const piece of filePieces(path)) memory.add(piece.buffer);
  expect(memory.size).toBe(1);
  for await (const piece of filePieces(path)) {
    expect(piece.length).toBe(PIECE_SIZE);
    break;
  }
  expect(descriptors()).toBe(before);
});

test('a file that is evicted while it is read is read to its end', async () => {
  const path = fileOf(10 * PIECE_SIZE);
  let bytes = 0;
  for await (const piece of filePieces(path)) {
    rmSync(path, { force: true });
    bytes += piece.length;
  }
  expect(bytes).toBe(10 * PIECE_SIZE);
});

test('what the system refuses is named, with the file', async () => {
  const before = descriptors();
  const gone = join(root, 'gone');
  await expect(hashFile(gone)).rejects.toMatchObject({ code: 'ENOENT', syscall: 'open', path: gone });
  // read(2) of a directory fails, and Node's exception does not say on which file.
  const refused = await hashFile(root).catch((cause: unknown) => cause);
  expect(refused).toBeInstanceOf(SyscallError);
  expect(refused).toMatchObject({
    code: 'EISDIR',
    syscall: 'read',
    path: root,
    message: `read ${root}: Is a directory`,
  });
  expect(descriptors()).toBe(before);
});
