// Builds what a capture leaves in a directory: savefiles by PcapWriter, and the ledger that goes with them, line by line in
// the order in which a capture does things. Tests of verify and release then do the damage.
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { EvictReason, LedgerEvent, PacketTime } from '../../src/rotation/ledger-entry.ts';
import { NO_HASH } from '../../src/rotation/ledger-entry.ts';
import { PcapWriter } from '../../src/savefile/writer.ts';

/** Hour 0: 2026-01-01 00:00:00 UTC, and what savefiles are named by. */
const START_SEC = Date.parse('2026-01-01T00:00:00Z') / 1000;
const HOUR_SEC = 3600;

export const STOP: LedgerEvent = {
  type: 'stop',
  received: 0,
  written: 0,
  dropped: 0,
  noSpace: 0,
  filtered: 0,
  unread: 0,
  ifDropped: 0,
  queueFreezes: 0,
  late: 0,
};

export const sha256 = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The lines again, each with the hash of the one before: what someone writes who knows how. */
export function rechain(lines: readonly string[]): string[] {
  let prev = NO_HASH;
  return lines.map((line) => {
    const chained = JSON.stringify({ ...JSON.parse(line), prev });
    prev = sha256(chained);
    return chained;
  });
}

export class SeriesBuilder {
  readonly directory: string;
  readonly series: string;
  readonly ledger: string;
  /** Hash of the last line. */
  head: string = NO_HASH;
  /** How many lines have been written. */
  lines = 0;

  constructor(directory: string, series = 'pcap') {
    this.directory = directory;
    this.series = series;
    this.ledger = join(directory, `${series}.ledger.jsonl`);
    mkdirSync(directory, { recursive: true });
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  name(hour: number): string {
    const time = new Date((START_SEC + hour * HOUR_SEC) * 1000).toISOString().replace(/\D/g, '').slice(0, 14);
    return `${this.series}-${time}.pcap`;
  }

  entry(event: LedgerEvent): this {
    const line = JSON.stringify({ ...event, time: '2026-01-01T00:00:00.000Z', prev: this.head });
    appendFileSync(this.ledger, `${line}\n`);
    this.head = sha256(line);
    this.lines++;
    return this;
  }

  start(): this {
    return this.entry({
      type: 'start',
      version: '0.1.0',
      node: process.versions.node,
      host: 'sys-vpn',
      pid: 1,
      zoneOffset: 0,
      pattern: `/var/log/netpcap/${this.series}-%Y%m%d%H%M%S.pcap`,
      device: 'eth0',
      interfaces: [{ name: 'eth0', ifindex: 2 }],
      linktype: 1,
      snaplen: 96,
      precision: 'micro',
      filter: '',
      exclude: [],
      program: NO_HASH,
    });
  }

  /** `hour` as a .part with so many packets, a minute apart. */
  begin(hour: number, packets: number): this {
    const name = this.name(hour);
    const startSec = START_SEC + hour * HOUR_SEC;
    const header = { precision: 'micro', snaplen: 96, linktype: 1 } as const;
    const writer = PcapWriter.create(`${this.path(name)}.part`, header, true);
    this.entry({ type: 'open', name, startSec, endSec: startSec + HOUR_SEC });
    for (let n = 0; n < packets; n++) writer.writePacket(startSec + n * 60, n, Buffer.alloc(60 + n, n));
    writer.close();
    return this;
  }

  /** The lines of a savefile that is whole: all but its name is read from the file. */
  contents(hour: number): {
    readonly packets: number;
    readonly bytes: number;
    readonly first: PacketTime | null;
    readonly last: PacketTime | null;
  } {
    const bytes = readFileSync(`${this.path(this.name(hour))}.part`);
    const times: PacketTime[] = [];
    for (let at = 24; at < bytes.length; at += 16 + bytes.readUInt32LE(at + 8))
      times.push(`${bytes.readUInt32LE(at)}.${String(bytes.readUInt32LE(at + 4) * 1000).padStart(9, '0')}`);
    return { packets: times.length, bytes: bytes.length, first: times[0] ?? null, last: times.at(-1) ?? null };
  }

  close(hour: number): this {
    const startSec = START_SEC + hour * HOUR_SEC;
    const losses = { late: 0, received: 0, dropped: 0, ifDropped: 0, queueFreezes: 0, filtered: 0, noSpace: 0 };
    const interval = { startSec, endSec: startSec + HOUR_SEC };
    return this.entry({ type: 'close', name: this.name(hour), ...interval, ...this.contents(hour), ...losses });
  }

  publish(hour: number): this {
    renameSync(`${this.path(this.name(hour))}.part`, this.path(this.name(hour)));
    return this;
  }

  hash(hour: number): this {
    const bytes = readFileSync(this.path(this.name(hour)));
    return this.entry({ type: 'hash', name: this.name(hour), bytes: bytes.length, sha256: sha256(bytes) });
  }

  /** From begin to hash. */
  savefile(hour: number, packets = 6): this {
    return this.begin(hour, packets).close(hour).publish(hour).hash(hour);
  }

  evict(hour: number, reason: EvictReason = 'ring'): this {
    this.entry({ type: 'evict', name: this.name(hour), reason });
    unlinkSync(this.path(this.name(hour)));
    return this;
  }

  /** Writes NAME.gz.part and the line about it. */
  compress(hour: number, extension: 'gz' | 'zst', compressed: Uint8Array): this {
    const name = this.name(hour);
    writeFileSync(this.path(`${name}.${extension}.part`), compressed);
    const digest = { bytes: compressed.length, sha256: sha256(compressed) };
    return this.entry({ type: 'compress', name, as: `${name}.${extension}`, ...digest });
  }

  /** Puts what `compress` wrote into the place of the savefile. */
  replace(hour: number, extension: 'gz' | 'zst'): this {
    const path = this.path(this.name(hour));
    unlinkSync(path);
    renameSync(`${path}.${extension}.part`, `${path}.${extension}`);
    return this;
  }

  /** The ledger goes on in a new file. */
  rotate(stamp: string): this {
    const from = `${this.series}.ledger-${stamp}.jsonl`;
    renameSync(this.ledger, this.path(from));
    return this.entry({ type: 'carry', from });
  }

  /** What a capture does in a ring of four compressed files, as fast as the disk lets it, a breath after each call. */
  async captureUntil(signal: AbortSignal): Promise<void> {
    for (let hour = 0; !signal.aborted; hour++) {
      const path = this.path(this.name(hour));
      const steps = [
        () => this.begin(hour, 50),
        () => this.close(hour),
        () => hour >= 4 && this.entry({ type: 'evict', name: this.name(hour - 4), reason: 'ring' }),
        () => hour >= 4 && unlinkSync(`${this.path(this.name(hour - 4))}.gz`),
        () => this.publish(hour),
        () => this.hash(hour),
        () => this.compress(hour, 'gz', gzipSync(readFileSync(path))),
        () => unlinkSync(path),
        () => renameSync(`${path}.gz.part`, `${path}.gz`),
        () => hour % 10 === 9 && this.rotate(`20260101${String(hour).padStart(6, '0')}`),
      ];
      for (const step of steps) {
        step();
        await immediate();
      }
    }
  }

  /** The lines of the file being written, or of a rotated one. */
  ledgerLines(path: string = this.ledger): string[] {
    return readFileSync(path, 'utf8').trimEnd().split('\n');
  }

  writeLedger(lines: readonly string[]): void {
    writeFileSync(this.ledger, lines.map((line) => `${line}\n`).join(''));
  }

  /** Turns over the bits of the byte at `offset` of a file. */
  flip(fileName: string, offset: number): void {
    const bytes = readFileSync(this.path(fileName));
    bytes[offset] = 255 - (bytes[offset] ?? 0);
    writeFileSync(this.path(fileName), bytes);
  }

  size(fileName: string): number {
    return statSync(this.path(fileName)).size;
  }
}
