// Tar archives that no honest tar writes, and days made of them.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

export interface MadeEntry {
  readonly name: string;
  readonly bytes?: Buffer;
  /** Of the header; '0', a regular file, by default. */
  readonly type?: string;
  /** What the header says; by default the truth. */
  readonly size?: number;
  readonly link?: string;
}

export function tarEntry({
  name,
  bytes = Buffer.alloc(0),
  type = '0',
  size = bytes.length,
  link = '',
}: MadeEntry): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100, 'utf8');
  header.write('0000644\0', 100);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write('        ', 148);
  header.write(type, 156);
  header.write(link, 157, 100);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

export const tarEnd: Buffer = Buffer.alloc(1024);

export function tar(...entries: readonly MadeEntry[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), tarEnd]);
}

/** Of linktype Ethernet, with so many packets of 60 bytes, one a second. */
export function savefile(sec: number, packets = 3): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(96, 16);
  header.writeUInt32LE(1, 20);
  const records = Array.from({ length: packets }, (_, index) => {
    const record = Buffer.alloc(16 + 60);
    record.writeUInt32LE(sec + index, 0);
    record.writeUInt32LE(60, 8);
    record.writeUInt32LE(60, 12);
    return record;
  });
  return Buffer.concat([header, ...records]);
}

export const DAY = '2026-11-24';
export const NOON: number = Date.UTC(2026, 10, 24, 12) / 1000;

/** As the vault writes it. */
export function manifest(
  source: string,
  file: string,
  bundle: Buffer,
  facts: Readonly<Record<string, string>> = {},
): object {
  return {
    version: 1,
    source,
    kind: file.startsWith('nft') ? 'nft' : 'pcaps',
    date: DAY,
    id: '20261124T033500Z',
    since: '2026-11-23T00:00:00Z',
    until: '2026-11-24T03:35:00Z',
    last_good: null,
    file,
    bytes: bundle.length,
    sha256: createHash('sha256').update(bundle).digest('hex'),
    encrypted: file.endsWith('.age'),
    facts,
  };
}

/** A bundle and its manifest as the files of a day. */
export function withManifest(
  source: string,
  file: string,
  bundle: Buffer,
  facts: Readonly<Record<string, string>> = {},
): MadeEntry[] {
  const number = /-\d\d-\d\d(-\d+)?\./.exec(file)?.[1] ?? '';
  return [
    { name: `${DAY}/${file}`, bytes: bundle },
    {
      name: `${DAY}/manifest${number}.json`,
      bytes: Buffer.from(JSON.stringify(manifest(source, file, bundle, facts))),
    },
  ];
}

/** Writes ROOT/DAY/SOURCE.tgz. */
export function writeDay(root: string, source: string, archive: Buffer): void {
  mkdirSync(join(root, DAY), { recursive: true });
  writeFileSync(join(root, DAY, `${source}.tgz`), archive);
}

/** A bundle of savefiles that is right but for `entries`, among its two good ones. */
export function pcaps(...entries: readonly MadeEntry[]): Buffer {
  return gzipSync(
    tar({ name: 'netpcap/pcap-20261124110000.pcap', bytes: savefile(NOON - 3600) }, ...entries, {
      name: 'netpcap/pcap-20261124120000.pcap',
      bytes: savefile(NOON),
    }),
  );
}
