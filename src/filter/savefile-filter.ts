// A filter expression as the function that savefiles are read with: libpcap's program for the file's link type, compiled to
// JavaScript. Called by cli and by programs that use this package as a library.
import { CaptureError } from '../errors.ts';
import { isKnownLinktype } from '../savefile/linktype.ts';
import type { RecordReader } from '../savefile/reading/record-run.ts';
import type { PacketFilter } from './packet-filter.ts';

/**
 * For the packets of `reader`, which stays at its start. Undefined for an empty expression. Rejects with CaptureError:
 * ERR_FILTER in libpcap's words, ERR_LINKTYPE for a file that libpcap would not read, ERR_LIBPCAP.
 */
export async function compileSavefileFilter(
  reader: Pick<RecordReader, 'name' | 'linktype' | 'snaplen' | 'bigEndian'>,
  expression: string,
): Promise<PacketFilter | undefined> {
  const { name, linktype } = reader;
  if (!isKnownLinktype(linktype))
    throw new CaptureError(
      'ERR_LINKTYPE',
      `${name}: unknown data link type ${linktype & 0x03ffffff} (min 104, max 289)`,
    );
  if (expression.trim() === '') return undefined;
  // Without an expression, a third of the start is saved.
  const { compileOffline } = await import('./offline.ts');
  const { compilePacketFilter } = await import('./packet-filter.ts');
  return compilePacketFilter(compileOffline(expression, reader), 'libpcap');
}
