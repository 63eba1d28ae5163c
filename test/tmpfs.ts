// A file system of a few pages, for tests of a full disk. Needs root, as the captures do.
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PAGE = 4096;

export class Tmpfs {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** `size` as mount(8) takes it; each file takes whole pages of it. */
  static mount(size: string): Tmpfs {
    const path = mkdtempSync(join(tmpdir(), 'tmpfs-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
    return new Tmpfs(path);
  }

  /** Takes every page that is left, but for `pages` of them. */
  fill(pages = 0): void {
    const path = join(this.path, 'filler');
    try {
      for (;;) appendFileSync(path, Buffer.alloc(PAGE));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause;
    }
    this.giveBack(pages);
  }

  /** Gives back so many pages of what `fill` took, by default all. */
  giveBack(pages: number = Number.POSITIVE_INFINITY): void {
    const path = join(this.path, 'filler');
    if (pages === Number.POSITIVE_INFINITY) rmSync(path, { force: true });
    else truncateSync(path, Math.max(0, statSync(path).size - pages * PAGE));
  }

  unmount(): void {
    execFileSync('umount', ['-l', this.path]);
    rmdirSync(this.path);
  }
}
