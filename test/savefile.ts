// Reads a savefile of this machine's byte order for tests, and asks other programs what they think of it.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';

const SLL = 113;
const SLL2 = 276;

export interface SavefileRecord {
  readonly sec: number;
  readonly fraction: number;
  readonly len: number;
  readonly packet: Buffer;
}

export interface Savefile {
  /** The 24 bytes of the file header. */
  readonly header: Buffer;
  readonly linktype: number;
  readonly records: readonly SavefileRecord[];
}

/** Throws on anything but whole records up to the end of the file. */
export function readSavefile(path: string): Savefile {
  const bytes = readFileSync(path);
  const records: SavefileRecord[] = [];
  let at = 24;
  while (at < bytes.length) {
    const caplen = bytes.readUInt32LE(at + 8);
    const packet = bytes.subarray(at + 16, at + 16 + caplen);
    if (packet.length !== caplen) throw new Error(`${path}: the record at ${at} is torn`);
    records.push({
      sec: bytes.readUInt32LE(at),
      fraction: bytes.readUInt32LE(at + 4),
      len: bytes.readUInt32LE(at + 12),
      packet,
    });
    at += 16 + caplen;
  }
  return { header: bytes.subarray(0, 24), linktype: bytes.readUInt32LE(20), records };
}

/** libpcap leaves stale ring memory behind a link address shorter than the field. */
export function maskAddress({ packet }: SavefileRecord, linktype: number): Buffer {
  if (linktype !== SLL && linktype !== SLL2) return packet;
  const masked = Buffer.from(packet);
  const [at, length] = linktype === SLL2 ? [12, packet.readUInt8(11)] : [6, packet.readUInt16BE(4)];
  masked.fill(0, Math.min(at + length, packet.length), Math.min(at + 8, packet.length));
  return masked;
}

/** What is in the directory of a series, sorted, without what the capture keeps beside its savefiles. */
export function savefilesIn(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => !/\.lock$|\.ledger/.test(name))
    .sort();
}

/** tcpdump, capinfos and tshark read the file to its end without complaint, and count `packets` in it. */
export function expectReadable(path: string, packets: number): void {
  expect(print('capinfos', '-T', '-r', '-M', '-c', path).trim().split('\t')).toEqual([path, String(packets)]);
  expect(print('tcpdump', '-n', '-t', '-q', '-r', path).split('\n').length - 1).toBe(packets);
  const frames = print('tshark', '-n', '-r', path, '-T', 'fields', '-e', 'frame.number').trimEnd().split('\n');
  expect(Number(frames.at(-1))).toBe(packets);
}

/** What a program prints; its stderr is in the error when it fails. */
function print(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe', maxBuffer: 2 ** 30 });
}
