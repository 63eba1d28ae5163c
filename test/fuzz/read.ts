// The built program on damaged files, as a user starts it: `read` and `-r` end by themselves with exit code 0, 1 or 2, say what
// is wrong in a line each, write whole records or nothing, and stay within their memory.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FILE_HEADER_LENGTH, RECORD_HEADER_LENGTH, record } from '../../src/savefile/header.ts';
import type { Random } from '../chaos/random.ts';
import { PROGRAM } from '../program.ts';
import type { Campaign } from './campaign.ts';
import { compressed } from './compressed.ts';
import { anyFile } from './corpus.ts';
import { damaged } from './mutation.ts';

/** A bomb's 32 MiB pass in a tenth of a second. */
const PATIENCE_MS = 45_000;
const MOST_MEMORY = 300 * 2 ** 20;
/** Has the program say on descriptor 3, when it ends, the most memory that it had, in KiB. */
const WITH_MEMORY =
  'data:text/javascript,import{writeSync}from"node:fs";process.on("exit",()=>writeSync(3,String(process.resourceUsage().maxRSS)))';
const OPTIONS: readonly (readonly string[])[] = [
  ['-w', 'out'],
  ['-w', 'out', '-c', '3'],
  ['-w', 'out', 'udp or ip6'],
  ['-w', 'out', '--nano', 'greater 60'],
  ['--count'],
];
const OF_READ: readonly (readonly string[])[] = [
  ...OPTIONS,
  ['-w', 'out', '-s', '40'],
  ['-w', 'out', '-y', 'LINUX_SLL'],
  ['-w', 'out', '--from', '2001-01-01', '--to', '2030-01-01'],
  ['-w', 'out-%s', '--rotate-packets', '20'],
];
const OF_TCPDUMP: readonly (readonly string[])[] = [...OPTIONS, ['-w', 'out', '-C', '1']];

export function read(seed: number, directory: string): Campaign {
  const any = anyFile(seed, directory);
  return {
    make(random) {
      const inputs = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => damagedFile(any, random));
      const names = inputs.map((_, n) => `in${n}`);
      const ofRead = inputs.length > 1 || random.whole(0, 2) > 0;
      const args = ofRead ? ['read', ...names, ...random.pick(OF_READ)] : ['-r', 'in0', ...random.pick(OF_TCPDUMP)];
      return {
        input: inputs[0] ?? new Uint8Array(0),
        about: args.join(' '),
        run() {
          const home = join(directory, 'read');
          rmSync(home, { recursive: true, force: true });
          mkdirSync(home);
          for (const [n, name] of names.entries()) writeFileSync(join(home, name), inputs[n] ?? '');
          expectToEnd(home, args);
        },
      };
    },
  };
}

function damagedFile(any: (random: Random) => Uint8Array, random: Random): Uint8Array {
  const plain = damaged(any(random), any(random), random.pick([0, 1, 1, 2, 5]), random);
  return random.whole(0, 4) === 0 ? compressed(plain, random).bytes : plain;
}

function expectToEnd(home: string, args: readonly string[]): void {
  const { status, signal, stdout, stderr, output } = spawnSync(
    process.execPath,
    ['--import', WITH_MEMORY, PROGRAM, ...args],
    {
      cwd: home,
      encoding: 'latin1',
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      timeout: PATIENCE_MS,
      killSignal: 'SIGKILL',
    },
  );
  const broken = (what: string): Error => new Error(`${what}: exit code ${status ?? signal}, stderr: ${stderr}`);
  if (status === null || status > 2) throw broken('does not end as it should');
  const lines = stderr.split('\n').filter((line) => !/^(reading from file|Warning: interface names might) /.test(line));
  if (lines.pop() !== '' || !lines.every((line) => /^tsnetpcap: (?!bug)\S/.test(line)))
    throw broken('not said in lines');
  if (lines.length === 0 ? status !== 0 : status === 0) throw broken('failed without a word, or the other way round');
  if (args[0] === '-r' && lines.length > 1) throw broken('more than a line');
  if (!(args.includes('--count') ? /^(\d+ packets?\n)?$/ : /^$/).test(stdout)) throw broken(`stdout ${stdout}`);
  const memory = Number(output[3]) * 1024;
  if (!(memory > 0 && memory <= MOST_MEMORY)) throw broken(`${memory} bytes of memory, ${MOST_MEMORY} are allowed`);
  for (const name of readdirSync(home).filter((each) => each.startsWith('out'))) {
    if (name.endsWith('.lock')) continue;
    const bytes = readFileSync(join(home, name));
    let at = FILE_HEADER_LENGTH;
    while (at + RECORD_HEADER_LENGTH <= bytes.length)
      at += RECORD_HEADER_LENGTH + bytes.readUInt32LE(at + record.caplen);
    if (at !== bytes.length) throw broken(`${name}: ${bytes.length} bytes, whole records end at ${at}`);
  }
}
