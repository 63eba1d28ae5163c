// The check of savefiles against the ledger beside them, and of that against the hash that the vault has.
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CheckResult } from '../../../src/netlog/query/check/finding.ts';
import { checkLedgers } from '../../../src/netlog/query/check/ledger.ts';
import { SeriesBuilder, STOP } from '../../rotation/series-builder.ts';
import { DAY, Tables } from './tables.ts';

let directory: string;
let series: SeriesBuilder;
let tables: Tables;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'netlogs-ledger-'));
  series = new SeriesBuilder(directory).start().savefile(0).savefile(1).entry(STOP);
  tables = await Tables.create();
});

afterEach(() => rmSync(directory, { recursive: true }));

function check(): Promise<CheckResult> {
  return checkLedgers(tables, [{ path: directory, host: 'sys-dns' }], { from: DAY, to: DAY });
}

test('savefiles that are as their ledger says pass, with the newest head that a manifest knows', async () => {
  await tables.add('manifests', { facts: { ledger_head: 'f'.repeat(64) }, until: '2026-11-27T01:00:00Z' });
  await tables.add('manifests', { facts: { ledger_head: series.head.toUpperCase() }, until: '2026-11-27T02:00:00Z' });
  expect(await check()).toMatchObject({
    status: 'passed',
    about: '2 savefiles are as their ledger says',
    evidence: [],
  });
});

test('a ledger that has not the head of the manifest was written anew', async () => {
  await tables.add('manifests', { facts: { ledger_head: 'f'.repeat(64) } });
  expect(await check()).toMatchObject({
    status: 'failed',
    evidence: [{ host: 'sys-dns', about: expect.stringMatching(/^chain: no line has the hash/) }],
  });
});

test('a savefile that was changed is named', async () => {
  const name = series.name(0);
  appendFileSync(join(directory, name), 'x');
  const about = expect.stringMatching(new RegExp(`^altered ${name}: `));
  expect(await check()).toMatchObject({ status: 'failed', evidence: [{ host: 'sys-dns', about }] });
});

test('without a ledger at hand it is not known', async () => {
  expect((await checkLedgers(tables, [], { from: DAY, to: DAY })).status).toBe('unknown');
});
