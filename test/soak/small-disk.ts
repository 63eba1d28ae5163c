// A small file system of one's own, mounted for as long as a campaign uses it: in memory, or ext4 on a loop device.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeDisk } from '../chaos/disk.ts';

export type FileSystem = 'tmpfs' | 'ext4';

/** `home`: a directory for what it needs. `mountAgain`: what a boot would do to a disk with errors; ext4 only. */
export async function withSmallDisk<T>(
  home: string,
  kind: FileSystem,
  bytes: number,
  use: (disk: string, mountAgain: () => void) => Promise<T>,
): Promise<T> {
  const outer = join(home, kind);
  const disk = join(outer, 'disk');
  mkdirSync(disk, { recursive: true });
  // `ip netns exec` gives each process copies of all mounts. What is mounted on a shared mount goes from those, too.
  execFileSync('mount', ['--bind', outer, outer]);
  try {
    execFileSync('mount', ['--make-shared', outer]);
    const image = join(home, 'ext4.img');
    const mount = (): void => void execFileSync('mount', ['-o', 'loop,errors=remount-ro', image, disk]);
    if (kind === 'tmpfs') execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'soak', disk]);
    else {
      makeDisk(image, bytes);
      mount();
    }
    try {
      return await use(disk, () => {
        execFileSync('umount', [disk]);
        // 1: errors were corrected, that of being asked for one
        const { status, stdout } = spawnSync('e2fsck', ['-fp', image], { encoding: 'utf8' });
        if (status === null || status > 1) throw new Error(`e2fsck: ${stdout}`);
        mount();
      });
    } finally {
      execFileSync('umount', [disk]);
    }
  } finally {
    execFileSync('umount', [outer]);
    rmdirSync(disk);
  }
}
