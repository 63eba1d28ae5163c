// Captures into a ring of files, one a minute of which 48 are kept, and says at the end what was counted.
//   node capture.js eth0 /var/tmp/dns 600 'port 53'
import { openCapture, planSeries } from 'tsnetpcap';

const [device = 'any', directory = '.', seconds = '60', expression = ''] = process.argv.slice(2);
const output = planSeries({ pattern: `${directory}/c-%Y%m%d%H%M%S.pcap`, rotateSec: 60, keep: 48 });
const options = { device, expression, snaplen: 512, durationMs: Number(seconds) * 1000, output };

const { session, source, description } = await openCapture(options, (text) => console.error(text));
process.once('SIGINT', () => session.stop()).once('SIGTERM', () => session.stop());
console.error(`listening on ${description}`);
try {
  await session.run();
} finally {
  source.close();
}
const { received, written, dropped } = session.statistics();
console.log(JSON.stringify({ received, written, dropped }));
