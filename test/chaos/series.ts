// Judges the savefiles that a guest has left: each whole, in its interval, with numbers that rise, and every number at most
// once in all of them. Called by both scenarios, on the mounted disk.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LedgerEntry } from '../../src/rotation/ledger-entry.ts';
import { ledgerFiles, readLedgerFile } from '../../src/rotation/ledger-file.ts';
import { PROGRAM } from '../program.ts';
import { expectReadable, readSavefile } from '../savefile.ts';
import { readNumber } from './payload.ts';

/** Of the program, in the guest and here. Nothing depends on this machine's zone. */
export const PATTERN = 'pcap-%Y%m%d%H%M%S.pcap';
export const ENVIRONMENT: Readonly<Record<string, string>> = { TZ: 'UTC0' };
/** An Ethernet, an IPv4 and a UDP header. */
const PAYLOAD_AT = 42;
/** A record that much older than its interval may be in the file. */
const LATE_MS = 10;

export class Series {
  readonly directory: string;
  /** What is wrong, a line each. */
  readonly problems: string[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  expect(holds: boolean, otherwise: string): void {
    if (!holds) this.problems.push(otherwise);
  }

  get complete(): string[] {
    return this.#names('.pcap');
  }

  get parts(): string[] {
    return this.#names('.pcap.part');
  }

  #names(extension: string): string[] {
    return readdirSync(this.directory)
      .filter((name) => name.startsWith('pcap-') && name.endsWith(extension))
      .sort();
  }

  /** The numbers in a savefile, after a look at the whole of it; `others` are tcpdump and Wireshark's, and take a second. */
  numbers(name: string, rotateSec: number, others: boolean): number[] {
    const path = join(this.directory, name);
    const numbers: number[] = [];
    try {
      const { records } = readSavefile(path);
      const startSec = intervalStart(name, rotateSec);
      for (const { sec, fraction, packet } of records) {
        const number = readNumber(packet.subarray(PAYLOAD_AT));
        this.expect(number > (numbers.at(-1) ?? -1), `${name}: ${number} follows ${numbers.at(-1)}`);
        numbers.push(number);
        const sinceMs = (sec - startSec) * 1000 + fraction / 1000;
        const inside = sinceMs >= -LATE_MS && sinceMs < rotateSec * 1000;
        if (!inside && !this.problems.at(-1)?.startsWith(`${name}: outside`))
          this.problems.push(`${name}: outside its interval by ${sinceMs} ms since the start: ${number}, perhaps more`);
      }
      if (others) expectReadable(path, records.length);
    } catch (cause) {
      this.problems.push(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
    return numbers;
  }

  /** Ledger lines of one type, oldest first. */
  ledger<Type extends LedgerEntry['type']>(type: Type): Extract<LedgerEntry, { readonly type: Type }>[] {
    return ledgerFiles(this.directory, 'pcap')
      .flatMap((name) => readLedgerFile(join(this.directory, name)).lines)
      .flatMap(({ entry }) => (entry?.type === type ? [entry as Extract<LedgerEntry, { readonly type: Type }>] : []));
  }

  /** What `tsnetpcap verify` prints, on one line; a problem unless it exits with 0. */
  verify(): string {
    const argv = [PROGRAM, 'verify', this.directory];
    try {
      const env = { ...process.env, ...ENVIRONMENT };
      const said = execFileSync(process.execPath, argv, { encoding: 'utf8', stdio: 'pipe', env });
      return said.trim().replaceAll('\n', ', ');
    } catch (cause) {
      const { status, stdout, stderr } = cause as { status: number | null; stdout: string; stderr: string };
      this.problems.push(`verify: exit code ${status}: ${stdout}${stderr}`.trim());
      return `exit code ${status}`;
    }
  }
}

/** Of the interval that the second in a savefile's name lies in. */
function intervalStart(name: string, rotateSec: number): number {
  const [, year, month, day, hour, minute, second] = (
    /^pcap-(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(name) ?? []
  ).map(Number);
  const sec = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second) / 1000;
  return sec - (sec % rotateSec);
}
