// A small disk under 200,000 packets a second. It fills, and the oldest files make room: nothing is lost where a deleted
// file's space is free at once. ext4 frees it when its journal is committed, and write(2) waits for that: what did not fit
// into the ring meanwhile is counted like any other loss, and printed. Then somebody else's file takes all of it but what the newest savefile has: packets wait, then they are lost and counted. That file
// goes, and the capture goes on by itself. In the end every packet is accounted for, in the statistics and in the ledger.
//
// EDQUOT is what a disk quota says instead: no kernel of ours has quotas to try it with. The campaign `faults` does it.
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../../bench/lab.ts';
import type { Program } from '../program.ts';
import { balanceOf, capture, noticesOf, startOffer, type Terms, withLab } from './campaign.ts';
import { entries, ledger, list, numbersIn, Sequence, verify } from './evidence.ts';
import { type FileSystem, withSmallDisk } from './small-disk.ts';

const DISK_BYTES = 64 * 2 ** 20;
const RATE = 200_000;
/** Of the time of a disk: until somebody else's file comes, and until it goes. */
const FOREIGN_FROM = 0.4;
const FOREIGN_TO = 0.65;
const MOST_NOTICES = 9;

export interface FullTerms extends Terms {
  /** Of packets, for each disk. */
  readonly seconds: number;
  readonly disks: readonly FileSystem[];
}

export async function full({ seconds, disks, say, over }: FullTerms): Promise<void> {
  await withLab(async (lab, home) => {
    for (const kind of disks) {
      if (over()) return;
      say(`full ${kind}: ${await withSmallDisk(home, kind, DISK_BYTES, (disk) => fill(lab, kind, disk, seconds))}`);
    }
  });
}

async function fill(lab: Lab, kind: FileSystem, disk: string, seconds: number): Promise<string> {
  const directory = join(disk, 'series');
  const count = RATE * seconds;
  const program = await capture(lab, directory, ['--rotate', '1h', '--rotate-size', '4MB', '--ring', '1000']);
  const load = new AbortController();
  const offered = startOffer(lab, { count, rate: RATE }, load.signal);
  try {
    await sleep(seconds * FOREIGN_FROM * 1000);
    await program.until(() => entries(ledger(directory), 'evict').length > 0);
    const filled = await report(program);
    if (kind === 'tmpfs' && filled.noSpace > 0)
      throw new Error(`${filled.noSpace} packets were lost while there were files to evict`);
    await hog(join(disk, 'foreign'), seconds * (FOREIGN_TO - FOREIGN_FROM) * 1000);
    const hogged = await report(program);
    if (hogged.noSpace === filled.noSpace) throw new Error('no packet was lost without room: was there none?');
    await sleep(1000);
    const resumed = await report(program);
    if (resumed.written === hogged.written) throw new Error('it did not go on when there was room again');
    if ((await offered) !== count) throw new Error('the generator failed');
    const ended = await report(program);
    if (kind === 'tmpfs' && ended.noSpace > resumed.noSpace)
      throw new Error('it lost packets when there was room again');
    await program.stop();
    const phases = [filled, hogged, ended].map(({ written, noSpace }) => `${written} and ${noSpace} lost`);
    return await judge(program, directory, count, phases);
  } catch (cause) {
    throw new Error(`${cause instanceof Error ? cause.message : String(cause)}\n${program.stderr}`, { cause });
  } finally {
    load.abort();
    await offered.catch(() => {}); // as long as it runs, the disk can't be unmounted
    await program.kill();
  }
}

interface Report {
  readonly written: number;
  readonly noSpace: number;
}

async function report(program: Program): Promise<Report> {
  const before = program.stderr.length;
  const found = (): RegExpExecArray | null => REPORT.exec(program.stderr.slice(before));
  program.signal('SIGUSR1');
  await program.until(() => found() !== null);
  const [, written, noSpace] = found() ?? [];
  return { written: Number(written), noSpace: Number(noSpace ?? 0) };
}

const REPORT = /: (\d+) packets? captured, .*?(?:, (\d+) packets? lost for lack of room.*)?\n/;

/** A file that takes whatever there is, and then what others give back, for so long. */
async function hog(path: string, forMs: number): Promise<void> {
  const fd = openSync(path, 'w');
  const zeros = new Uint8Array(64 * 1024);
  try {
    for (const endMs = performance.now() + forMs; performance.now() < endMs; await sleep(10)) {
      try {
        for (;;) writeSync(fd, zeros);
      } catch (cause) {
        if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC')) throw cause;
      }
    }
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}

async function judge(program: Program, directory: string, count: number, phases: readonly string[]): Promise<string> {
  const { received, written, dropped, noSpace, unread } = balanceOf(program);
  if (received !== count) throw new Error(`${count} packets were offered, ${received} received`);
  const all = ledger(directory);
  const [stop] = entries(all, 'stop');
  if (stop?.written !== written || stop.noSpace !== noSpace || stop.dropped !== dropped)
    throw new Error(`the ledger's last line says otherwise: ${JSON.stringify(stop)}`);
  const closed = entries(all, 'close');
  expectSum(
    'close lines',
    closed.map(({ packets }) => packets),
    written,
  );
  expectSum(
    'lost lines',
    entries(all, 'lost').map(({ packets }) => packets),
    noSpace,
  );
  const sequence = new Sequence();
  const { complete, partial } = list(directory);
  if (partial.length > 0) throw new Error(`not complete: ${partial.join(' ')}`);
  for (const { name, fileName } of complete) sequence.add(name, numbersIn(join(directory, fileName)), 'anywhere');
  if (sequence.missing > noSpace) throw new Error(`${sequence.missing} packets are missing, ${noSpace} were lost`);
  const { findings, summary } = await verify(directory);
  const strange = findings.filter((line) => !line.startsWith('notice p: packets found no room'));
  if (strange.length > 0) throw new Error(`verify: ${strange.join('; ')}`);
  const notices = noticesOf(program).filter((line) => !/packets? captured|; total: /.test(line));
  if (notices.length > MOST_NOTICES) throw new Error(`it said ${notices.length} things`);
  const evicted = entries(all, 'evict').filter(({ reason }) => reason === 'no-space').length;
  return (
    `${received} offered and received = ${written} written (${phases.join(', ')} at the end of each phase) + ${dropped} ` +
    `dropped + ${noSpace} for lack of room + ${unread}; ${closed.length} files, ${evicted} evicted, ${complete.length} ` +
    `left and whole; said: ${notices.map((line) => line.replace(/^tsnetpcap: /, '').replaceAll(directory, '')).join(' | ')}; ` +
    `verify: ${summary}`
  );
}

function expectSum(what: string, numbers: readonly number[], expected: number): void {
  const sum = numbers.reduce((total, number) => total + number, 0);
  if (sum !== expected) throw new Error(`${what}: ${sum} packets in all, not ${expected}`);
}
