// Networks over addresses of both families, as Parquet has them, and over the view of a table without files.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseNetwork } from '../../../src/filter/network.ts';
import { Index } from '../../../src/netlog/index/open.ts';
import { inNetworks } from '../../../src/netlog/query/address.ts';
import { sql } from '../../../src/netlog/query/sql.ts';
import { writeSmallDay } from '../index/small-index.ts';

let root: string;
let index: Index;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'netlog-address-'));
  const flows = Array.from({ length: 20_000 }, (_, flow) => ({
    flow,
    src: address(flow % 500),
    dst: address((flow * 7) % 3000),
  }));
  await writeSmallDay(root, 'sys-vpn', '2026-11-24', { flows });
  index = await Index.open(root);
});

afterAll(async () => {
  await index?.close();
  rmSync(root, { recursive: true });
});

function address(n: number): string {
  return n % 2 === 0 ? `198.18.${n >> 8}.${n & 255}` : `2001:db8::${n.toString(16)}`;
}

test.each([
  ['198.18.0.0/16', 1500],
  ['198.18.1.0/24', 128],
  ['2001:db8::/32', 1500],
  ['2001:db8::3/128', 1],
  ['198.18.1.0/24 2001:db8::3/128', 129],
  ['0.0.0.0/8', 0],
  ['::/127', 0],
])('%s is where %i addresses are', async (text, count) => {
  const networks = text.split(' ').flatMap((each) => parseNetwork(each) ?? []);
  const wanted = inNetworks(sql`address`, networks);
  const { text: statement } = sql`SELECT count(*) AS count FROM (
    SELECT src AS address FROM flows UNION SELECT dst FROM flows UNION SELECT dst FROM nft) WHERE ${wanted}`;
  expect(await index.query({ count: 'number' }, statement)).toEqual([{ count }]);
});
