// Whether packets match a filter expression: one a line on stdin, in hexadecimal, Ethernet. With -d the program itself, as
// numbers that a socket of one's own takes (SO_ATTACH_FILTER), made for a network interface.
//   node filter.js 'ip6 and tcp' < packets.txt
//   node filter.js -d eth0 'ip6 and tcp'
import { createInterface } from 'node:readline';
import { compileFilter, compileOffline, compilePacketFilter } from 'tsnetpcap';

const args = process.argv.slice(2);
if (args[0] === '-d') {
  const [, device = 'any', expression = ''] = args;
  const { program, linktypeName } = compileFilter({ device, expression, snaplen: 96 });
  console.error(`link type ${linktypeName}`);
  for (const { code, jt, jf, k } of program.instructions()) console.log(code, jt, jf, k);
} else {
  const matches = compilePacketFilter(compileOffline(args.join(' '), { linktype: 1 }), 'libpcap');
  for await (const line of createInterface({ input: process.stdin })) {
    const packet = Buffer.from(line, 'hex');
    const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
    console.log(matches(view, 0, packet.length, packet.length) > 0 ? 'yes' : 'no');
  }
}
