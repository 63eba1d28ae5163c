// Reads a ledger from its oldest file to its newest, and checks that each line is the next link of the chain. `tsnetpcap
// verify` and `tsnetpcap release` ask, also while a capture writes: it only ever adds to a file or rotates it whole, so
// that there is only more to read each time.
//
//   pcap.ledger-20260101000000.jsonl   line 1 prev 000…   line 2 prev = SHA-256 of line 1   …
//   pcap.ledger.jsonl                  line 1 carry, prev = SHA-256 of the last line above  …
//
// Whoever changes a line has to change all that follow. That only the hash of a line kept elsewhere shows.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { SyscallError } from '../errors.ts';
import { LedgerAccount } from './ledger-account.ts';
import { NO_HASH } from './ledger-entry.ts';
import { type LedgerLine, type LedgerLines, ledgerFileName, ledgerFiles, readLedgerFile } from './ledger-file.ts';

/** Where something about the chain was found. */
export interface ChainFinding {
  readonly fileName: string;
  /** From 1, undefined for what stands behind the last line. */
  readonly line: number | undefined;
  readonly text: string;
}

export class LedgerChain {
  readonly account: LedgerAccount = new LedgerAccount();
  /** Where lines were changed, removed or put in between. */
  readonly breaks: ChainFinding[] = [];
  /** Where it begins behind lines that were rotated away. */
  readonly notices: ChainFinding[] = [];
  /** How many bytes behind the last line are none: one that is being written, or was torn by a crash. */
  tornBytes = 0;
  lines = 0;
  /** Hash of the last line, of zeros when there is none. */
  head: string = NO_HASH;
  /** Whether a line has the hash that was asked for. */
  holdsHash = false;
  readonly #directory: string;
  readonly #series: string;
  readonly #hash: string | undefined;
  /** Rotated files that were read, and how many lines and bytes of the one that comes next. */
  readonly #rotated: Set<string> = new Set();
  #nextLines = 0;
  #nextBytes = 0;

  /** Reads the ledger of `series`; `hash` is one to look for. @throws SyscallError */
  constructor(directory: string, series: string, hash?: string) {
    this.#directory = directory;
    this.#series = series;
    this.#hash = hash;
    this.refresh();
  }

  /** The name, without directory, of the file that is being written. */
  get fileName(): string {
    return ledgerFileName(this.#series);
  }

  /** Reads what has been written since. @throws SyscallError */
  refresh(): void {
    while (!this.#readOn());
  }

  /** False when a file was rotated away meanwhile: what has its name now would not be the next link. */
  #readOn(): boolean {
    const files = ledgerFiles(this.#directory, this.#series);
    try {
      for (const fileName of files) {
        if (fileName === this.fileName || this.#rotated.has(fileName)) continue;
        const read = readLedgerFile(join(this.#directory, fileName));
        this.#add(fileName, read);
        if (read.tornBytes > 0) this.#break(fileName, undefined, `${read.tornBytes} bytes behind its last line`);
        this.#rotated.add(fileName);
        this.#nextLines = 0;
        this.#nextBytes = 0;
      }
      if (!files.includes(this.fileName)) return true;
      const path = join(this.#directory, this.fileName);
      if (statSync(path).size === this.#nextBytes) return true;
      const read = readLedgerFile(path);
      if (String(ledgerFiles(this.#directory, this.#series)) !== String(files)) return false;
      this.#add(this.fileName, read);
      this.tornBytes = read.tornBytes;
      this.#nextLines = read.lines.length;
      this.#nextBytes = read.wholeBytes + read.tornBytes;
      return true;
    } catch (cause) {
      const error = SyscallError.from(cause);
      if (error instanceof SyscallError && error.code === 'ENOENT') return false;
      throw error;
    }
  }

  #add(fileName: string, { lines }: LedgerLines): void {
    for (const line of lines.slice(this.#nextLines)) this.#addLine(fileName, line);
  }

  #addLine(fileName: string, { number, hash, entry }: LedgerLine): void {
    if (entry === undefined) this.#break(fileName, number, 'is no entry of a ledger');
    else if (this.lines === 0 && entry.type === 'carry' && entry.prev !== NO_HASH) {
      const text = `the chain begins here, ${entry.from} and what was before it are gone`;
      this.notices.push({ fileName, line: number, text });
    } else if (this.lines === 0 && entry.prev !== NO_HASH)
      this.#break(fileName, number, 'lines before it were removed');
    else if (entry.prev !== this.head)
      this.#break(fileName, number, 'does not follow from the line before: changed, removed or inserted there');
    if (entry !== undefined) this.account.add(entry);
    this.lines++;
    this.head = hash;
    this.holdsHash ||= hash === this.#hash;
  }

  #break(fileName: string, line: number | undefined, text: string): void {
    this.breaks.push({ fileName, line, text });
  }
}
