// What is found in .index, where anything may lie.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { listPartitions, partitionPath } from '../../../src/netlog/index/partition.ts';

test('what no build has made is passed over, and no link is followed', async () => {
  const root = mkdtempSync(join(tmpdir(), 'netlog-partition-'));
  try {
    const path = partitionPath(root, 'sys-vpn', '2026-11-27');
    mkdirSync(path, { recursive: true });
    mkdirSync(join(root, '.index', 'host=%zz', 'date=2026-11-27'), { recursive: true });
    writeFileSync(join(root, '.index', 'host=a-file'), '');
    mkdirSync(join(root, 'elsewhere', 'date=2026-11-27'), { recursive: true });
    symlinkSync(join(root, 'elsewhere'), join(root, '.index', 'host=a-link'));
    expect(await listPartitions(root)).toEqual([{ host: 'sys-vpn', date: '2026-11-27', path }]);
  } finally {
    rmSync(root, { recursive: true });
  }
});
