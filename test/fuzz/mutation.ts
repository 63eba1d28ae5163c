// Damage that leaves enough of a savefile for a reader to get far: records and blocks taken out, repeated, exchanged and
// mixed with those of another file, numbers in their headers changed, bytes changed, put in, taken out and cut off.
import type { Random } from '../chaos/random.ts';

/** At the edges of what a length may be. */
const NUMBERS = [
  ...[0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19, 20, 21, 24, 28, 31, 32, 33, 63, 64, 96, 127, 128, 255],
  ...[256, 4095, 4096, 65535, 65536, 131072, 262143, 262144, 262145, 2 ** 20, 2 ** 20 + 1, 2 ** 24, 2 ** 24 + 4],
  ...[2 ** 27, 2 ** 27 + 4, 2 ** 31 - 1, 2 ** 31 - 4, 2 ** 31, 2 ** 32 - 16, 2 ** 32 - 4, 2 ** 32 - 1],
  ...[0x0a0d0d0a, 0x1a2b3c4d, 0x4d3c2b1a, 0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34, 0xf4000001],
];
const HEADER_MOST = 96;

/** `bytes` with `count` damages; `other` is what it may be mixed with. */
export function damaged(bytes: Uint8Array, other: Uint8Array, count: number, random: Random): Uint8Array {
  let result: Uint8Array = Uint8Array.from(bytes);
  for (let n = 0; n < count; n++) result = damage(result, other, random);
  return result;
}

function damage(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const kind = random.whole(0, 11);
  if (bytes.length === 0) return bytes;
  if (kind < 4) return changePieces(bytes, other, kind, random);
  if (kind < 8) return changeNumber(bytes, random);
  const at = random.whole(0, bytes.length - 1);
  if (kind === 8) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.whole(0, 7));
  if (kind === 9) return bytes.subarray(0, random.whole(0, bytes.length));
  const length = random.pick([1, 2, 4, 4, 8, 12, 16, 100]);
  if (kind === 10) return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
  if (kind === 11)
    return Buffer.concat([
      bytes.subarray(0, at),
      new Uint8Array(length).fill(random.whole(0, 255)),
      bytes.subarray(at),
    ]);
  return bytes;
}

function changePieces(bytes: Uint8Array, other: Uint8Array, kind: number, random: Random): Uint8Array {
  const pieces = piecesOf(bytes);
  const from = random.whole(0, pieces.length - 1);
  const to = random.whole(0, pieces.length - 1);
  const [first = bytes, second = bytes] = [pieces[from], pieces[to]];
  if (kind === 0) pieces.splice(from, 1);
  if (kind === 1) pieces.splice(to, 0, ...Array.from({ length: random.pick([1, 1, 2, 30]) }, () => first));
  if (kind === 2) [pieces[from], pieces[to]] = [second, first];
  if (kind === 3) pieces.splice(from, random.whole(0, 1), random.pick(piecesOf(other)));
  return Buffer.concat(pieces);
}

/** In the header of one of the pieces, most of them there. */
function changeNumber(bytes: Uint8Array, random: Random): Uint8Array {
  const pieces = piecesOf(bytes);
  const piece = random.pick(pieces);
  const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
  const size = random.pick([1, 2, 2, 4, 4, 4, 4]);
  const places = Math.floor(Math.min(piece.length, HEADER_MOST) / size);
  if (places === 0) return bytes;
  const tail = random.whole(0, 5) === 0 && piece.length >= size;
  const at = tail ? piece.length - size : size * random.whole(0, places - 1);
  const little = random.whole(0, 3) > 0;
  const old = size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at, little) : view.getUint32(at, little);
  const value = random.whole(0, 1) === 0 ? random.pick(NUMBERS) : old + random.pick([-16, -8, -4, -1, 1, 2, 4, 8, 16]);
  if (size === 1) view.setUint8(at, value);
  else if (size === 2) view.setUint16(at, value, little);
  else view.setUint32(at, value, little);
  return bytes;
}

/** The file header and each record, or each block, as far as lengths make sense; what comes behind is one piece. */
function piecesOf(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pieces: Uint8Array[] = [];
  const blocks = bytes.length >= 12 && view.getUint32(0) === 0x0a0d0d0a;
  const little = bytes.length >= 12 && view.getUint32(blocks ? 8 : 0, true) === (blocks ? 0x1a2b3c4d : 0xa1b2c3d4);
  let at = 0;
  while (at + 24 <= bytes.length) {
    const length = blocks ? view.getUint32(at + 4, little) : at === 0 ? 24 : 16 + view.getUint32(at + 8, little);
    if (length < 8 || at + length > bytes.length) break;
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  pieces.push(bytes.subarray(at));
  return pieces;
}
