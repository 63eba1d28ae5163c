// Ledger under faults: lines of every length, some synced, over several rotations; then a start on what is there.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ledger } from '../../src/rotation/ledger.ts';
import { type LedgerEvent, NO_HASH } from '../../src/rotation/ledger-entry.ts';
import { ledgerFiles } from '../../src/rotation/ledger-file.ts';
import { until } from './persistence.ts';
import type { Scenario, Stage } from './scenario.ts';

const SERIES = 'pcap';
const LINES = 24;

/** `name` numbers the line. */
function event(random: () => number, number: number): LedgerEvent {
  return {
    type: 'open',
    name: `${number}-${'x'.repeat(Math.floor(random() ** 3 * 1200))}`,
    startSec: number,
    endSec: 0,
  };
}

/** What the files say, in order, without what the ledger adds of itself; throws where the chain does not hold. */
function chain(directory: string): unknown[] {
  const events: unknown[] = [];
  let last = NO_HASH;
  for (const file of ledgerFiles(directory, SERIES)) {
    const text = readFileSync(join(directory, file), 'utf8');
    if (text !== '' && !text.endsWith('\n')) throw new Error(`${file} ends in ${text.slice(-60)}`);
    for (const line of text.split('\n').slice(0, -1)) {
      const { time, prev, ...said } = JSON.parse(line);
      if (prev !== last) throw new Error(`${file}: a gap in the chain before ${line.slice(0, 60)}`);
      last = createHash('sha256').update(line).digest('hex');
      if (said.type !== 'carry' && said.type !== 'torn') events.push(said);
    }
  }
  return events;
}

function open({ directory }: Stage): Ledger {
  return Ledger.open({ directory, series: SERIES, fileMode: 0o640, notice: () => {}, size: '2K', maxFiles: 100 });
}

async function run(stage: Stage): Promise<void> {
  const { faults, random, directory } = stage;
  const expected: LedgerEvent[] = [];
  let ledger = until(() => open(stage));
  for (let number = 0; number < LINES; number++) {
    const next = event(random, number);
    expected.push(next);
    const appended = ledger.append(next, random() < 0.3);
    if (random() < 0.7) await appended;
    if (number !== LINES / 2) continue;
    await appended;
    await ledger.close();
    ledger = until(() => open(stage));
  }
  await ledger.append({ type: 'step', byMs: 0 });
  expected.push({ type: 'step', byMs: 0 });
  await ledger.close();
  faults.disarm();
  const found = chain(directory);
  if (JSON.stringify(found) !== JSON.stringify(expected)) {
    const at = expected.findIndex((one, index) => JSON.stringify(one) !== JSON.stringify(found[index]));
    throw new Error(
      `${found.length} lines, ${expected.length} expected, other from ${at}: ${JSON.stringify(found[at])}`,
    );
  }
}

export const LEDGER_SCENARIO: Scenario = {
  name: 'ledger',
  calls: ['create', 'open', 'write', 'fallocate', 'fdatasync', 'rename', 'unlink', 'ftruncate', 'close'],
  run,
};
