// Splits a savefile into a series of files, one a minute by the packets' own time, of which the last ten are kept.
//   node split.js trace.pcap /var/tmp/minutes
import { openSavefile, planSeries, readPackets, SeriesWriter } from 'tsnetpcap';

const [path = '-', directory = '.'] = process.argv.slice(2);
const reader = await openSavefile(path);
const { linktype, snaplen } = reader;
const series = planSeries({ pattern: `${directory}/m-%Y%m%d%H%M%S.pcap`, rotateSec: 60, utc: true, keep: 10 });
const writer = new SeriesWriter(series, { precision: 'nano', snaplen, linktype }, { notice: console.error });
try {
  for await (const { sec, nsec, data, len, linktype: type } of readPackets(reader)) {
    if (type !== linktype) continue; // pcapng may have several, a pcap file has one
    while (!writer.writePacket(sec, nsec, data, len)) await new Promise((resolve) => setTimeout(resolve, 100));
  }
} finally {
  await writer.close();
}
console.log(`${writer.written} packets`);
