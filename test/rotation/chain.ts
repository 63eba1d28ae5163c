// Reads a ledger as a judge would: whether the chain of its lines holds over all files, and what it says.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type LedgerEntry, NO_HASH } from '../../src/rotation/ledger-entry.ts';
import { ledgerFiles } from '../../src/rotation/ledger-file.ts';

/** Its entries, oldest first; throws where a line is torn or not chained to the one before. */
export function readChain(directory: string, series: string): LedgerEntry[] {
  let prev = NO_HASH;
  return ledgerFiles(directory, series).flatMap((file) => {
    const text = readFileSync(join(directory, file), 'utf8');
    expect(text === '' || text.endsWith('\n'), `${file} ends with a line feed`).toBe(true);
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const entry = JSON.parse(line) as LedgerEntry;
        expect(entry.prev, `the line before ${line} in ${file}`).toBe(prev);
        prev = createHash('sha256').update(line).digest('hex');
        return entry;
      });
  });
}

/** What each line says of a savefile, shortly: `close NAME`, `evict NAME ring`. */
export function brief(entries: readonly LedgerEntry[]): string[] {
  return entries.map((entry) => {
    const name = 'name' in entry ? ` ${entry.name}` : '';
    return `${entry.type}${name}${entry.type === 'evict' ? ` ${entry.reason}` : ''}`;
  });
}
