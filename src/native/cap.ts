// The npm package `cap`, a binding of libpcap that is compiled where it is installed, and so may not be there. Loaded only
// for --engine cap. Its source has the facts (native-notes/cap-engine.md); what it needs to be built is in `loadCap`.
import { createRequire } from 'node:module';
import { CaptureError } from '../errors.ts';

/** One handle. Calls its listener in a turn of the event loop, with packet after packet until none is left. */
export interface Cap {
  /**
   * Opens a device: promiscuous, immediate mode, snaplen 65535, link type the device's first. An empty filter is none (of
   * another, it compiles with the network's number where libpcap wants the netmask). `buffer` gets each packet in turn.
   */
  open(device: string, filter: string, bufferSize: number, buffer: Buffer): string;
  on(event: 'packet', listener: (caplen: number, truncated: boolean) => void): unknown;
  close(): boolean;
}

const PACKAGES = 'apt-get install libpcap-dev g++ make python3 && npm rebuild cap';

/** @throws CaptureError ERR_CAP where it is not built */
export function loadCap(): new () => Cap {
  try {
    return createRequire(import.meta.url)('cap').Cap;
  } catch (cause) {
    throw new CaptureError('ERR_CAP', `--engine cap: the npm package cap is not built: ${PACKAGES}`, { cause });
  }
}
