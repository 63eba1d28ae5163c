// Opens a file as what its first bytes say it is. The formats themselves are in pcap.ts and pcapng.ts.
import { SavefileError } from '../../errors.ts';
import { Input } from './input.ts';
import { isPcap, PcapReader } from './pcap.ts';
import type { RecordReader } from './record-run.ts';

/** libpcap looks at so many bytes before anything else. */
const MAGIC_LENGTH = 4;

/**
 * A reader of a pcap or pcapng file, compressed by gzip or zstd or not; `-` is standard input. `chunkSize`: bytes of a read,
 * of which two are in memory; default 1 MiB. Rejects with SavefileError, SyscallError, CaptureError for zstd where this Node
 * has none. To be closed by the caller, or by `readPackets`.
 */
export async function openSavefile(name: string, chunkSize?: number): Promise<RecordReader> {
  const input = await Input.open(name, chunkSize);
  try {
    const whole = await input.has(MAGIC_LENGTH);
    if (!whole)
      throw new SavefileError(
        name,
        0,
        `truncated dump file; tried to read ${MAGIC_LENGTH} file header bytes, only got ${input.end - input.at}`,
      );
    if (isPcap(input.view, input.at)) return await PcapReader.open(input);
    await input.has(12);
    const { isPcapng, PcapngReader } = await import('./pcapng.ts');
    if (isPcapng(input.view, input.at, input.end - input.at)) return await PcapngReader.open(input);
    throw new SavefileError(name, 0, 'unknown file format');
  } catch (cause) {
    await input.close();
    throw cause;
  }
}
