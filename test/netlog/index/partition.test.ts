// What is found in .index, where anything may lie.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { listPartitions, partitionPath } from '../../../src/netlog/index/partition.ts';

test('a folder that no build has made is passed over', async () => {
  const root = mkdtempSync(join(tmpdir(), 'netlog-partition-'));
  try {
    const path = partitionPath(root, 'sys-vpn', '2026-11-27');
    mkdirSync(path, { recursive: true });
    mkdirSync(join(root, '.index', 'host=%zz', 'date=2026-11-27'), { recursive: true });
    expect(await listPartitions(root)).toEqual([{ host: 'sys-vpn', date: '2026-11-27', path }]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
