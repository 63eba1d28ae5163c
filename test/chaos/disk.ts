// The disk of the virtual machine: a file with an ext4 file system, mounted here when the machine is off.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Makes it, empty. */
export function makeDisk(path: string, bytes: number): void {
  writeFileSync(path, '', { flag: 'wx' });
  truncateSync(path, bytes);
  // Blocks as on a real disk, not those of a small one; nothing left for the guest to initialize in the background.
  execFileSync('mkfs.ext4', ['-q', '-b', '4096', '-E', 'lazy_itable_init=0,lazy_journal_init=0', path]);
}

/**
 * Mounts it for as long as `use` takes. Mounting is what the next boot would do: the kernel replays the journal. Afterwards
 * the file system is checked; throws with what e2fsck says when it found anything.
 */
export async function withDisk<T>(path: string, use: (directory: string) => T | Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-disk-'));
  try {
    execFileSync('mount', ['-o', 'loop', path, directory]);
    try {
      return await use(directory);
    } finally {
      execFileSync('umount', [directory]);
      execFileSync('e2fsck', ['-fn', path], { stdio: 'pipe' });
    }
  } finally {
    rmdirSync(directory);
  }
}
