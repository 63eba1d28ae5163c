// `npm run bench -- --offline`: savefiles read, filtered and written anew against tcpdump -r -w, and merged against mergecap.
// Whole processes, in turns, from the page cache to a file; a row whose outputs differ is void and makes the exit code 1.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { buildFrame, FRAME_KINDS } from './frames.ts';
import { keepFreeMemory } from './memory.ts';
import { type OfflineRow, type OfflineRun, offlineTable } from './offline-report.ts';

export interface OfflineSettings {
  /** The built program. */
  readonly program: string;
  /** A directory for all files. */
  readonly directory: string;
  readonly packets: number;
  readonly pairs: number;
  readonly signal: AbortSignal;
}

interface Contest {
  readonly title: string;
  readonly ours: (output: string) => readonly string[];
  readonly theirs: (output: string) => readonly string[];
}

const FILES_TO_MERGE = 24;
const SEC_PER_FILE = 3600;
const START_SEC = 1_767_225_600;
const HEADER_LENGTH = 24;
const RECORD_HEADER = 16;
const BATCH = 1000;
const WHOLE_LENGTH = 400;
/** UDP over IPv4 in one packet of five, UDP of any kind in two, no IPv6 in four. */
const EXPRESSIONS = ['', 'udp', 'ip host 10.77.0.1 and udp port 40001', 'not net 10.137.0.0/16'] as const;

/** Prints each row as it is done; false when one is void. */
export function measureOffline(settings: OfflineSettings, print: (text: string) => void): boolean {
  const { program, packets } = settings;
  const directory = mkdtempSync(join(settings.directory, 'tsnetpcap-offline-'));
  let restore: (() => void) | undefined;
  try {
    restore = keepFreeMemory(directory, 2 * packets * (RECORD_HEADER + WHOLE_LENGTH));
    const rows: OfflineRow[] = [];
    for (const length of [96, WHOLE_LENGTH]) {
      const input = join(directory, 'input.pcap');
      write(input, packets, length, START_SEC, 1);
      for (const expression of EXPRESSIONS) {
        const words = expression === '' ? [] : [expression];
        rows.push(
          contest(settings, directory, {
            title: `${length} bytes a packet, ${expression === '' ? 'all' : expression}`,
            ours: (output) => [process.execPath, program, 'read', input, '-w', output, ...words],
            theirs: (output) => ['tcpdump', '-Z', 'root', '-r', input, '-w', output, ...words],
          }),
        );
      }
      rmSync(input);
    }
    const hours = Array.from({ length: FILES_TO_MERGE }, (_, n) => join(directory, `hour${n}.pcap`));
    const perFile = Math.ceil(packets / FILES_TO_MERGE);
    for (const [n, file] of hours.entries()) write(file, perFile, 96, START_SEC + n * SEC_PER_FILE, SEC_PER_FILE);
    rows.push(merge(settings, directory, 'merge of 24 hours, against mergecap', hours));
    for (const file of hours) write(file, perFile, 96, START_SEC, SEC_PER_FILE);
    rows.push(merge(settings, directory, 'merge of 24 files of one hour, against mergecap', hours));
    print(offlineTable(packets, rows));
    return rows.every(({ same }) => same);
  } finally {
    restore?.();
    rmSync(directory, { recursive: true });
  }
}

function merge(settings: OfflineSettings, directory: string, title: string, files: readonly string[]): OfflineRow {
  return contest(settings, directory, {
    title,
    ours: (output) => [process.execPath, settings.program, 'read', ...files, '-w', output],
    // Of equal times it takes the later argument's first.
    theirs: (output) => ['mergecap', '-F', 'pcap', '-w', output, ...files.toReversed()],
  });
}

function contest({ pairs, signal }: OfflineSettings, directory: string, { title, ours, theirs }: Contest): OfflineRow {
  const outputs = [join(directory, 'ours'), join(directory, 'theirs')] as const;
  const runs: [OfflineRun, OfflineRun][] = [];
  let same = true;
  for (let pair = 0; pair < pairs; pair++) {
    signal.throwIfAborted();
    process.stderr.write(`pair ${pair + 1} of ${pairs}: ${title}\n`);
    const run = (index: 0 | 1): OfflineRun => {
      const output = outputs[index];
      rmSync(output, { force: true });
      execFileSync('sync'); // nobody pays for the dirty pages of the run before
      return measure([ours, theirs][index]?.(output) ?? [], join(directory, 'usage'));
    };
    if (pair % 2 === 0) runs.push([run(0), run(1)]);
    else {
      const other = run(1);
      runs.push([run(0), other]);
    }
    // The snaplen in mergecap's file header is its own.
    const skip = String(HEADER_LENGTH);
    if (pair === 0) same = spawnSync('cmp', ['-s', '-i', skip, ...outputs]).status === 0;
  }
  for (const output of outputs) rmSync(output, { force: true });
  return { title, runs, same };
}

function measure(argv: readonly string[], usage: string): OfflineRun {
  const { status, stderr } = spawnSync('/usr/bin/time', ['-o', usage, '-f', '%e %U %S %M', ...argv], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${argv.join(' ')}: exit code ${status}: ${stderr.trim()}`);
  const [wallSec = 0, userSec = 0, systemSec = 0, rssKib = 0] = readFileSync(usage, 'utf8')
    .trim()
    .split(' ')
    .map(Number);
  return { wallSec, cpuSec: userSec + systemSec, rssMib: rssKib / 1024 };
}

/** `packets` of all kinds of frames, `length` bytes each, over `seconds` from `startSec` on. */
function write(path: string, packets: number, length: number, startSec: number, seconds: number): void {
  const size = RECORD_HEADER + length;
  const bytes = Buffer.alloc(BATCH * size);
  for (let n = 0; n < BATCH; n++) {
    const kind = FRAME_KINDS[n % FRAME_KINDS.length] ?? 'udp4';
    bytes.writeUInt32LE(length, n * size + 8);
    bytes.writeUInt32LE(WHOLE_LENGTH, n * size + 12);
    bytes.set(buildFrame(kind, WHOLE_LENGTH, n).subarray(0, length), n * size + RECORD_HEADER);
  }
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262144, 16);
  header.writeUInt32LE(1, 20);
  const fd = openSync(path, 'w');
  try {
    writeSync(fd, header);
    for (let done = 0; done < packets; done += BATCH) {
      const count = Math.min(BATCH, packets - done);
      for (let n = 0; n < count; n++) {
        const microsec = Math.floor(((done + n) * seconds * 1e6) / packets);
        bytes.writeUInt32LE(startSec + Math.floor(microsec / 1e6), n * size);
        bytes.writeUInt32LE(microsec % 1e6, n * size + 4);
      }
      writeSync(fd, bytes, 0, count * size);
    }
  } finally {
    closeSync(fd);
  }
}
