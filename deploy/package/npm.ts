// The npm package, by npm pack: from a copy, since npm takes the modes that files have in the checkout.
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Build } from './build.ts';
import { settle } from './tree.ts';

/** What npm packs without being told. */
const ALWAYS = ['package.json', 'README.md', 'LICENSE'];

/** Makes tsnetpcap-VERSION.tgz in `output`; `scratch` is an empty directory. */
export function makeNpm({ root, epoch }: Build, scratch: string, output: string): void {
  const { files }: { files: string[] } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const name of [...ALWAYS, ...files]) cpSync(join(root, name), join(scratch, name), { recursive: true });
  settle(scratch, epoch, ['tsnetpcap.cjs', 'netlogs.cjs']);
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', output];
  execFileSync('npm', pack, { cwd: scratch, stdio: ['ignore', 'ignore', 'inherit'] });
}
