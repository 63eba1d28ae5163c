// Packets and bytes of each link-layer source address in a savefile: pcap or pcapng, compressed by gzip or zstd or not.
//   node read.js trace.pcapng.gz 'udp port 53'
import { compileSavefileFilter, openSavefile, readPackets, SavefileError } from 'tsnetpcap';

const [path = '-', expression = ''] = process.argv.slice(2);
const reader = await openSavefile(path);
const filter = await compileSavefileFilter(reader, expression);
const senders = new Map<string, { packets: number; bytes: number }>();
try {
  for await (const { data, len } of readPackets(reader, { filter })) {
    const address = Buffer.from(data.subarray(6, 12)).toString('hex');
    const { packets, bytes } = senders.get(address) ?? { packets: 0, bytes: 0 };
    senders.set(address, { packets: packets + 1, bytes: bytes + len });
  }
} catch (cause) {
  if (!(cause instanceof SavefileError)) throw cause;
  console.error(cause.message); // what lies before the damage was counted
  process.exitCode = 1;
}
for (const [address, { packets, bytes }] of senders) console.log(`${address} ${packets} ${bytes}`);
