import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEFAULT_POLICY } from '../../../src/netlog/query/check/policy.ts';
import { policyJson, readPolicy } from '../../../src/netlog/query/check/policy-file.ts';

let directory: string;
let path: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'netlogs-policy-'));
  path = join(directory, 'netlogs.json');
});

afterAll(() => rmSync(directory, { recursive: true }));

function read(text: string): ReturnType<typeof readPolicy> {
  writeFileSync(path, text);
  return readPolicy(path, false);
}

test('what is printed is what is read', () => {
  expect(read(policyJson(DEFAULT_POLICY))).toEqual(DEFAULT_POLICY);
  const tunnels = [{ address: '2001:db8::1', port: 51_820 }];
  expect(read(policyJson({ ...DEFAULT_POLICY, tunnels }))).toEqual({ ...DEFAULT_POLICY, tunnels });
});

test('what is named replaces the default, all else stays', () => {
  const policy = read(
    '{"resolvers": ["2001:DB8::0:53"], "allow": [{"checks": ["tunnel"], "ports": [123], "reason": "time"}]}',
  );
  expect(policy.resolvers).toEqual(['2001:db8::53']);
  expect(policy.allow).toEqual([{ checks: ['tunnel'], ports: [123], reason: 'time' }]);
  expect(policy.inside).toBe(DEFAULT_POLICY.inside);
});

test('each default allowance has a reason', () => {
  for (const { reason } of DEFAULT_POLICY.allow) expect(reason.length).toBeGreaterThan(20);
});

test('a file that need not be there is the default where it is not', () => {
  expect(readPolicy(join(directory, 'none'), true)).toBe(DEFAULT_POLICY);
  expect(() => readPolicy(join(directory, 'none'), false)).toThrow('none: No such file or directory');
});

test.each([
  ['[]', 'file: expected a JSON object'],
  ['{', 'file: '],
  ['{"x": 1}', 'x: unknown key, expected one of inside,'],
  ['{"inside": "10.0.0.0/8"}', 'inside: expected a list'],
  ['{"inside": ["10.0.0.1/8"]}', 'inside[0]: 10.0.0.1/8 is no network'],
  ['{"resolvers": ["x"]}', 'resolvers[0]: x is no address'],
  ['{"tunnels": ["192.0.2.1:65536"]}', 'tunnels[0]: 192.0.2.1:65536 is not ADDRESS:PORT'],
  ['{"tunnels": ["2001:db8::1:80"]}', 'tunnels[0]: 2001:db8::1:80 is not ADDRESS:PORT'],
  ['{"allow": [{"checks": ["dns"]}]}', 'allow[0].reason: is missing'],
  ['{"allow": [{"checks": ["dnss"], "reason": "x"}]}', 'allow[0].checks[0]: expected one of dns,'],
  ['{"allow": [{"checks": ["dns"], "reason": "x", "port": 1}]}', 'allow[0].port: unknown key'],
  [
    '{"allow": [{"checks": ["dns"], "reason": "x", "ports": [65536]}]}',
    'allow[0].ports[0]: expected a port, 0 to 65535',
  ],
])('%s is refused, and where it is wrong', (text, message) => {
  expect(() => read(text)).toThrow(`${path}: ${message}`);
});
