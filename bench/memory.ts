// Memory for benchmarks: page-aligned, as O_DIRECT wants it; and free memory that stays with this machine.
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import koffi from 'koffi';
import { libc, syscallError } from '../src/native/libc.ts';

const mmapFn = libc.func('void *mmap(void *address, size_t length, int prot, int flags, int fd, int64_t offset)');
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const MAP_FAILED = 2n ** 64n - 1n;

/** Never unmapped: it lives as long as the process. */
export function mmapAnonymous(length: number): Uint8Array {
  const address: bigint = mmapFn(null, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (address === MAP_FAILED) throw syscallError('mmap');
  return new Uint8Array(koffi.view(address, length));
}

/** Only free memory in pieces of 2 to this power pages is reported; no piece is larger than 2^10. */
const REPORTING_ORDER = '/sys/module/page_reporting/parameters/page_reporting_order';
const NEVER = '11';
const MIB = 1024 * 1024;

/**
 * A virtual machine with a balloon tells its host which memory is free, and the host takes it away. Each page of a
 * savefile is then a page fault in the host, of 2 µs and more, which is charged to whoever writes: it was 60 % of all CPU
 * time of both programs. So reporting is switched off, and `bytes` are written to a file and freed again, so that the host
 * has given them. Returns what puts the setting back; where there is no such setting, only the file is written.
 */
export function keepFreeMemory(directory: string, bytes: number): () => void {
  const before = existsSync(REPORTING_ORDER) ? readFileSync(REPORTING_ORDER, 'utf8') : undefined;
  if (before !== undefined) writeFileSync(REPORTING_ORDER, NEVER);
  const restore = (): void => {
    if (before !== undefined) writeFileSync(REPORTING_ORDER, before);
  };
  const path = `${directory}/memory`;
  try {
    const fd = openSync(path, 'w');
    const zeros = new Uint8Array(MIB);
    for (let written = 0; written < bytes; written += MIB) writeSync(fd, zeros);
    closeSync(fd);
  } catch (cause) {
    restore();
    throw cause;
  } finally {
    rmSync(path, { force: true });
  }
  return restore;
}
