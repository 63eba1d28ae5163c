// What becomes of a capture under load when its storage is taken away: the directory is removed, the file system turns
// read-only, no descriptor is left. It survives, says so once and not once a packet, every packet is written or counted,
// and what was complete before stays whole.
//
// A file system that has a file open for writing can't be remounted read-only, so the kernel is asked to find an error on
// one: ext4 with errors=remount-ro refuses everything from then on, and only unmounting ends that.
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../../bench/lab.ts';
import type { Program } from '../program.ts';
import { type Balance, balanceOf, capture, noticesOf, type Terms, underLoad, withLab } from './campaign.ts';
import { endings, entries, ledger, list, numbersIn, Sequence, verify, verifyFindings } from './evidence.ts';
import { withSmallDisk } from './small-disk.ts';

const RATE = 20_000;
const DISK_BYTES = 256 * 2 ** 20;
const MOST_NOTICES = 6;
const OPTIONS = ['--rotate', '1s', '--ring', '1000'];

export interface StorageTerms extends Terms {
  /** How long each fault lasts. */
  readonly faultMs: number;
  /** How long the capture goes on when files can be opened again; it says so when nothing has failed for 10 seconds. */
  readonly calmMs: number;
}

type Times = Pick<StorageTerms, 'faultMs' | 'calmMs'>;

export async function storage({ say, over, ...times }: StorageTerms): Promise<void> {
  for (const [name, run] of Object.entries({ removed, readOnly, descriptors })) {
    if (over()) return;
    say(`storage, ${name}: ${await withLab((lab, home) => run(lab, home, times))}`);
  }
}

/** Runs `fault` under load, some time before it and some behind it; resolves to the balance of the capture. */
async function under(
  lab: Lab,
  directory: string,
  fault: (program: Program) => Promise<void>,
  stop: (program: Program) => Promise<unknown>,
): Promise<{ balance: Balance; notices: readonly string[] }> {
  const program = await capture(lab, directory, OPTIONS);
  try {
    await underLoad(lab, RATE, async () => {
      await program.until(() => [...endings(ledger(directory)).values()].some(({ packets }) => packets >= RATE / 2));
      await fault(program);
    });
    await stop(program);
    const notices = noticesOf(program);
    if (notices.length > MOST_NOTICES) throw new Error(`it said ${notices.length} things`);
    return { balance: balanceOf(program), notices };
  } catch (cause) {
    throw new Error(`${cause instanceof Error ? cause.message : String(cause)}\n${program.stderr}`, { cause });
  } finally {
    await program.kill();
  }
}

/** The directory goes with all that is in it; the capture goes on in one that it makes. */
async function removed(lab: Lab, home: string, { faultMs }: Times): Promise<string> {
  const directory = join(home, 'series');
  const { balance, notices } = await under(
    lab,
    directory,
    async (program) => {
      rmSync(directory, { recursive: true, force: true });
      await program.until(() => existsSync(directory) && list(directory).complete.length >= 2);
      await sleep(faultMs);
    },
    (program) => program.stop(),
  );
  const found = await verifyFindings(directory);
  const missing = found.filter((line) => line.startsWith('missing '));
  const strange = found.filter((line) => !/^(notice|missing) /.test(line));
  if (strange.length > 0) throw new Error(`verify: ${strange.join('; ')}`);
  const { count: kept, missing: gaps } = sequenceIn(directory);
  if (gaps > 0) throw new Error(`${gaps} packets are missing in the new directory`);
  return sentence(balance, notices, `${kept} packets in files of the new directory, ${missing.length} named missing`);
}

/** What the file system holds when it refuses is complete after the next start. */
async function readOnly(lab: Lab, home: string, { faultMs }: Times): Promise<string> {
  return withSmallDisk(home, 'ext4', DISK_BYTES, async (disk, mountAgain) => {
    const directory = join(disk, 'series');
    let code: number | null = null;
    const { balance, notices } = await under(
      lab,
      directory,
      async () => {
        const device = execFileSync('findmnt', ['-n', '-o', 'SOURCE', disk], { encoding: 'utf8' }).trim();
        writeFileSync(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, 'soak');
        await sleep(faultMs);
      },
      async (program) => {
        program.signal('SIGTERM');
        code = await program.exit();
      },
    );
    if (code !== 1) throw new Error(`exit code ${code}, when not everything could be completed`);
    mountAgain();
    const next = await capture(lab, directory, OPTIONS);
    try {
      await next.until(() => list(directory).partial.length <= 1 && entries(ledger(directory), 'adopt').length > 0);
      await next.stop();
    } finally {
      await next.kill();
    }
    const found = await verify(directory);
    const strange = found.findings.filter((line) => !line.startsWith('notice '));
    if (strange.length > 0) throw new Error(`verify: ${strange.join('; ')}`);
    // What was written and not synced when the file system failed is gone; what was complete is not, says verify.
    const { count: kept } = sequenceIn(directory);
    if (kept === 0 || kept > balance.written) throw new Error(`${kept} packets in files, ${balance.written} written`);
    return sentence(balance, notices, `after the next start ${kept} packets in files; verify: ${found.summary}`);
  });
}

/** No file can be opened, neither a savefile nor the ledger to sync it, until the limit is raised again. */
async function descriptors(lab: Lab, home: string, { faultMs, calmMs }: Times): Promise<string> {
  const directory = join(home, 'series');
  const { balance, notices } = await under(
    lab,
    directory,
    async (program) => {
      limit(program, 3);
      await sleep(faultMs);
      limit(program, 1024);
      await sleep(calmMs);
    },
    (program) => program.stop(),
  );
  const { findings, summary } = await verify(directory);
  // A file can't be hashed then; the next start does it.
  const strange = findings.filter((line) => !/packets found no room|has no hash of it/.test(line));
  if (strange.length > 0) throw new Error(`verify: ${strange.join('; ')}`);
  const { count: kept, missing } = sequenceIn(directory);
  const { written, noSpace } = balance;
  if (kept !== written || missing !== noSpace)
    throw new Error(`${kept} packets in files, ${missing} missing; ${written} written, ${noSpace} for lack of room`);
  return sentence(balance, notices, `verify: ${summary}`);
}

function limit(program: Program, files: number): void {
  execFileSync('prlimit', ['--pid', String(program.process.pid), `--nofile=${files}:`]);
}

/** The packets in all complete savefiles, each of which must hold as many as the ledger says. */
function sequenceIn(directory: string): Sequence {
  const { complete, partial } = list(directory);
  if (partial.length > 0) throw new Error(`not complete: ${partial.join(' ')}`);
  const ended = endings(ledger(directory));
  const sequence = new Sequence();
  for (const { name, fileName } of complete) {
    const numbers = numbersIn(join(directory, fileName));
    if (numbers.length !== ended.get(name)?.packets) throw new Error(`${name}: not as many packets as the ledger says`);
    sequence.add(name, numbers, 'anywhere');
  }
  return sequence;
}

function sentence(
  { received, written, dropped, noSpace, unread }: Balance,
  notices: readonly string[],
  more: string,
): string {
  return (
    `${received} received = ${written} written + ${dropped} dropped + ${noSpace} for lack of room + ${unread} unread; ${more}; ` +
    `said: ${notices.map((line) => line.replace(/^tsnetpcap: /, '')).join(' | ')}`
  );
}
