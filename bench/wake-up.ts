// `npm run bench:wake-up`: CPU that one wake-up of the capture's loop costs, by the ways there are to wait in JavaScript for
// a descriptor of the kernel. The reason for a synchronous poll(2) in src/capture/session.ts.
import { setImmediate, setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parseWhole } from '../src/capture/values.ts';
import { libc } from '../src/native/libc.ts';

const pollFn = libc.func('int poll(void *fds, unsigned long count, int timeout)');

const WAYS: Readonly<Record<string, () => Promise<unknown>>> = {
  'poll, then a turn of the event loop': () => {
    pollFn(null, 0, 1);
    return setImmediate();
  },
  'poll on a thread of the pool': () => new Promise((done) => pollFn.async(null, 0, 1, done)),
  'timer of the event loop': () => setTimeout(1),
};

const { values } = parseArgs({ options: { 'wake-ups': { type: 'string', default: '3000' } } });
const count = parseWhole('--wake-ups', values['wake-ups'], 100, 1_000_000);
for (const [name, wait] of Object.entries(WAYS)) {
  for (let warm = 0; warm < 500; warm++) await wait();
  const before = process.cpuUsage();
  for (let n = 0; n < count; n++) await wait();
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`${name.padEnd(36)} ${((user + system) / count).toFixed(0)} µs of CPU a wake-up\n`);
}
