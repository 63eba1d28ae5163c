// Reads a tar archive as a stream (POSIX ustar, with the long names of GNU and pax, as GNU tar writes them): header blocks of
// 512 bytes, each with the bytes of its file behind it, padded to whole blocks.
//
// Of a hostile archive nothing is made here: whoever reads gets a name as it stands there, a kind and bytes, and decides.
// Links, devices and sparse files are told as what they are. Everything that a header claims is bounded by what really comes.

import { BoundError } from '../bound-error.ts';
import { DamageError } from './bounds.ts';
import { ByteReader } from './byte-reader.ts';

export interface TarEntry {
  /** As it stands there; bytes that are no UTF-8 are replaced. */
  readonly name: string;
  /** `file`, `directory`, or what it is that is not to be taken. */
  readonly kind: string;
  readonly size: number;
  /** Its bytes, to be read before the next entry is asked for, or not at all. Throws DamageError where the archive ends. */
  readonly bytes: () => AsyncGenerator<Buffer>;
}

const BLOCK = 512;
const LONGEST_NAME = 4096;
/** Field offsets and lengths of a header. */
const NAME = [0, 100] as const;
const SIZE = [124, 12] as const;
const CHECKSUM = [148, 8] as const;
const TYPE = 156;
const MAGIC = [257, 5] as const;
const PREFIX = [345, 155] as const;

const KINDS: Readonly<Record<string, string>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hard link',
  '2': 'symbolic link',
  '3': 'character device',
  '4': 'block device',
  '5': 'directory',
  '6': 'named pipe',
  S: 'sparse file',
};

/** What the entry of long names, or of pax, says of the one behind it. */
interface Ahead {
  name?: string;
  size?: number;
  sparse?: boolean;
}

/** `name`: of the archive, for errors. `most`: how many entries there may be; more throw BoundError. */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  name: string,
  most: number,
): AsyncGenerator<TarEntry> {
  const reader = new ByteReader(source);
  let ahead: Ahead = {};
  try {
    for (let count = 0; ; count++) {
      const header = await reader.take(BLOCK);
      // Two blocks of zeros are the end; an archive that was cut off between two files can't be told from one that ends.
      if (header.length < BLOCK) throw new DamageError(name, 'the archive is cut off');
      if (header.every((byte) => byte === 0)) return;
      if (count >= most) throw new BoundError(name, 'entries', most);
      checkSum(header, name);
      const type = header.toString('latin1', TYPE, TYPE + 1);
      const ownSize = readSize(field(header, SIZE), name);
      if (type === 'L' || type === 'K' || type === 'x' || type === 'g') {
        if (ownSize > LONGEST_NAME * 4) throw new BoundError(name, 'bytes of a long name', LONGEST_NAME * 4);
        const text = await reader.take(padded(ownSize));
        if (type === 'L') ahead.name = text.toString('utf8', 0, ownSize).replace(/\0.*$/s, '');
        if (type === 'x') ahead = { ...ahead, ...readPax(text.subarray(0, ownSize), name) };
        continue;
      }
      const size = ahead.size ?? ownSize;
      const kind = ahead.sparse === true ? 'sparse file' : (KINDS[type] ?? 'entry of an unknown type');
      let left = kind === 'file' || kind.startsWith('sparse') || kind.startsWith('entry') ? size : 0;
      const rest = padded(left) - left;
      const bytes = async function* (): AsyncGenerator<Buffer> {
        for await (const part of reader.pass(left)) {
          left -= part.length;
          yield part;
        }
        if (left > 0) throw new DamageError(name, `the archive is cut off, ${left} bytes of a file are missing`);
      };
      yield { name: ahead.name ?? nameOf(header), kind, size, bytes };
      for await (const _ of bytes()); // what was not read
      await reader.take(rest);
      ahead = {};
    }
  } finally {
    await reader.close();
  }
}

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

function field(header: Buffer, [at, length]: readonly [number, number]): Buffer {
  return header.subarray(at, at + length);
}

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}

function nameOf(header: Buffer): string {
  const name = text(field(header, NAME));
  const prefix =
    field(header, MAGIC).toString('latin1') === 'ustar' && header[MAGIC[0] + 5] === 0
      ? text(field(header, PREFIX))
      : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function checkSum(header: Buffer, name: string): void {
  let sum = 0;
  for (let at = 0; at < BLOCK; at++)
    sum += at >= CHECKSUM[0] && at < CHECKSUM[0] + CHECKSUM[1] ? 32 : (header[at] ?? 0);
  if (readOctal(field(header, CHECKSUM)) !== sum) throw new DamageError(name, 'a header of the archive is broken');
}

/** Octal digits, or base 256 where the first bit is set. */
function readSize(bytes: Buffer, name: string): number {
  const first = bytes[0] ?? 0;
  const size = first === 0x80 ? Number(`0x${bytes.subarray(1).toString('hex')}`) : readOctal(bytes);
  if (size === undefined || !Number.isSafeInteger(size))
    throw new DamageError(name, 'a size in the archive is no number');
  return size;
}

function readOctal(bytes: Buffer): number | undefined {
  const digits = /^ *([0-7]+)[ \0]*$/.exec(bytes.toString('latin1'))?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 8);
}

/** Records of pax, `LENGTH KEY=VALUE\n`. */
function readPax(bytes: Buffer, name: string): Ahead {
  const ahead: Ahead = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const digits = bytes.toString('latin1', at, space === -1 ? at : space);
    const length = /^\d{1,6}$/.test(digits) ? Number(digits) : 0;
    const record = bytes.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (length === 0 || at + length > bytes.length || equals === -1)
      throw new DamageError(name, 'an extended header of the archive is broken');
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
    if (key === 'path') ahead.name = value;
    if (key === 'size')
      ahead.size = readSize(Buffer.from(/^\d{1,16}$/.test(value) ? Number(value).toString(8) : '-'), name);
    if (key.startsWith('GNU.sparse.')) ahead.sparse = true;
    at += length;
  }
  return ahead;
}
