// One poll(2) for packets and for the event loop: on a descriptor on which nothing happens it ends as soon as the loop has
// something to do. Here, and in a process of its own under each Node that there is.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { LONG_MS, type LoopWaits, loopWaits } from './loop-waits.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** scripts/test installs the others. */
const INSTALLED = [22, 24].map((major) => `${ROOT}node_modules/.cache/node-${major}/node_modules/current/bin/node`);
const NODES = [process.execPath, ...INSTALLED.filter(existsSync)];

function expectShort(waits: Readonly<Record<string, number>>): void {
  expect(Object.keys(waits)).toHaveLength(8);
  for (const [what, ms] of Object.entries(waits)) expect(ms, what).toBeLessThan(LONG_MS / 2);
}

test('a wait ends when the loop has something to do', async () => {
  expectShort((await loopWaits()).waits);
});

test.each(NODES)('a wait ends when the loop of %s has something to do, and not before', (node) => {
  const program = `const { loopWaits } = await import('${ROOT}test/native/loop-waits.ts');
    process.stdout.write(JSON.stringify(await loopWaits()));`;
  const text = execFileSync(node, ['--import', 'tsx', '--input-type=module', '-e', program], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 50_000,
  });
  const { waits, idleMs } = JSON.parse(text) as LoopWaits;
  expectShort(waits);
  expect(idleMs).toBeGreaterThanOrEqual(99);
});
