// All packages, made from this checkout as `npm run package` makes them, for tests that look into them or run them. The
// program must be built.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import packageJson from '../../../package.json' with { type: 'json' };
import { ROOT } from '../../consumer.ts';

export const VERSION: string = packageJson.version;

export class Packages {
  /** Where they are; and where tests may leave what they unpack. */
  readonly directory: string;
  readonly home: string;

  /** `only`: those of one program, which takes less time. */
  constructor(only?: 'tsnetpcap' | 'netlogs') {
    this.home = mkdtempSync(join(tmpdir(), 'tsnetpcap-packages-'));
    this.directory = join(this.home, 'packages');
    const make = [join(ROOT, 'deploy/package/main.ts'), this.directory, ...(only === undefined ? [] : [only])];
    execFileSync(join(ROOT, 'node_modules/.bin/tsx'), make, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  get names(): string[] {
    return readdirSync(this.directory).sort();
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** What is in a package, in a directory of its own; of a tarball from its one directory on. */
  unpack(name: string, as: string = name.replace(/\.(deb|rpm|tar\.gz)$/, '-$1')): string {
    const to = join(this.home, as);
    mkdirSync(to);
    const from = this.path(name);
    if (name.endsWith('.deb')) execFileSync('dpkg-deb', ['-x', from, to]);
    else if (name.endsWith('.rpm')) execFileSync('sh', ['-c', 'rpm2cpio "$0" | cpio -idm --quiet', from], { cwd: to });
    else execFileSync('tar', ['-xzf', from, '-C', to, '--strip-components=1']);
    return to;
  }

  remove(): void {
    rmSync(this.home, { recursive: true });
  }
}
