// Reader and writer of savefiles without what they cost the file system: what is read is in the page cache, what is written
// goes to /dev/null.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSavefile } from '../../src/savefile/reading/open.ts';
import { PcapWriter } from '../../src/savefile/writer.ts';
import { trafficSavefile } from '../traffic.ts';
import type { Prepared, Task } from './task.ts';

const SNAPLEN = 96;
const BYTES = 16 * 2 ** 20;
const PACKETS = 100_000;
const FORMAT = { precision: 'micro', snaplen: SNAPLEN, linktype: 1 } as const;

export const FILE_TASKS: Readonly<Record<string, Task>> = {
  read: { title: 'reader: a savefile in the page cache, run by run', prepare: read },
  write: { title: 'writer: packet by packet, to /dev/null', prepare: write },
};

async function read(directory: string): Promise<Prepared> {
  const path = join(directory, 'traffic.pcap');
  writeFileSync(path, trafficSavefile(BYTES, SNAPLEN));
  const turn = async (): Promise<number> => {
    const reader = await openSavefile(path);
    let records = 0;
    for (let run = await reader.next(); run !== undefined; run = await reader.next()) records += run.records;
    await reader.close();
    return records;
  };
  return { packets: await turn(), turn: async () => void (await turn()) };
}

function write(): Prepared {
  const writer = PcapWriter.create('/dev/null', FORMAT);
  const packet = new Uint8Array(SNAPLEN);
  const turn = (): void => {
    for (let n = 0; n < PACKETS; n++) writer.writePacket(1_700_000_000, n, packet, 128);
    writer.flush();
  };
  return { packets: PACKETS, turn };
}
