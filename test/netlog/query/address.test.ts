// Networks over addresses of both families, as Parquet has them, and over the view of a table without files.
import { mkdtempSync, rmSync } from 'node:fs';
import { BlockList, SocketAddress } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
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

/** Words that are often 0, or at an edge: what `::` and the bounds of networks hang on. */
const word = fc.oneof(fc.constantFrom(0, 0, 0, 1, 0x10, 0x8000, 0xffff), fc.integer({ min: 0, max: 0xffff }));
const octet = fc.oneof(fc.constantFrom(0, 1, 10, 127, 128, 255), fc.integer({ min: 0, max: 255 }));
const ipv4 = fc.array(octet, { minLength: 4, maxLength: 4 }).map((octets) => octets.join('.'));
const ipv6 = fc
  .array(word, { minLength: 8, maxLength: 8 })
  .map(
    (words) => new SocketAddress({ family: 'ipv6', address: words.map((each) => each.toString(16)).join(':') }).address,
  )
  .filter((text) => !text.includes('.')); // the index has no such spelling

test('any network has the addresses that Node finds in it', async () => {
  const one = fc.oneof(
    fc.tuple(ipv4, fc.integer({ min: 0, max: 32 }), fc.array(ipv4, { maxLength: 30 })),
    fc.tuple(ipv6, fc.integer({ min: 0, max: 128 }), fc.array(ipv6, { maxLength: 30 })),
  );
  const property = fc.asyncProperty(one, async ([of, prefix, others]) => {
    const family = of.includes(':') ? 'ipv6' : 'ipv4';
    const bits = family === 'ipv6' ? 128 : 32;
    const exact = parseNetwork(of);
    if (exact === undefined) throw new Error(`${of} is no address`);
    const network = { ...exact, prefix, first: (exact.first >> BigInt(bits - prefix)) << BigInt(bits - prefix) };
    const judge = new BlockList();
    judge.addSubnet(of, prefix, family);
    const addresses = [of, ...others];
    const wanted = inNetworks(sql`address`, [network]);
    const values = addresses.map((each) => `('${each}')`).join(', ');
    const statement = `SELECT address FROM (VALUES ${values}) AS of (address) WHERE ${wanted.text}`;
    const found = await index.query({ address: 'text' }, statement);
    expect(found.map(({ address: each }) => each).sort()).toEqual(
      addresses.filter((each) => judge.check(each, family)).sort(),
    );
  });
  await fc.assert(property, { numRuns: 400, endOnFailure: true });
});

test('what is no address is in no network', async () => {
  const wanted = inNetworks(
    sql`address`,
    [...'0.0.0.0/0 ::/0'.split(' ')].flatMap((text) => parseNetwork(text) ?? []),
  );
  const { text } = sql`SELECT count(*) AS count FROM (VALUES ('a name'), (''), (NULL)) AS of (address) WHERE ${wanted}`;
  expect(await index.query({ count: 'number' }, text)).toEqual([{ count: 0 }]);
});
