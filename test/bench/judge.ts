// A real tcpdump in a lab, the judge of what the generator does. Whoever starts it must stop it, before the lab goes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CAPTURE, type Lab } from '../../bench/lab.ts';

export interface Judge {
  /** Lets it read what has arrived, ends it and returns its own counts. */
  stop(): Promise<{ captured: number; received: number; dropped: number }>;
}

/** Longer than the second after which libpcap's ring hands out a block that is not full. */
const RETIRE_MS = 1300;

/** Resolves when tcpdump listens on cap0 and writes whole packets to `file`. */
export async function startTcpdump(lab: Lab, file: string): Promise<Judge> {
  const argv = ['tcpdump', '-i', CAPTURE.name, '-B', '65536', '-n', '-Z', 'root', '-w', file];
  const [program, ...args] = lab.command(argv);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const closed = once(child, 'close');
  let said = '';
  await new Promise<void>((listening, fail) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('listening on')) listening();
    });
    child.once('error', fail).once('close', () => fail(new Error(`tcpdump ended: ${said}`)));
  });
  const count = (what: string): number => Number(new RegExp(`(\\d+) packets? ${what}`).exec(said)?.[1]);
  return {
    async stop() {
      await new Promise((resolve) => setTimeout(resolve, RETIRE_MS));
      child.kill('SIGTERM');
      await closed;
      return {
        captured: count('captured'),
        received: count('received by filter'),
        dropped: count('dropped by kernel'),
      };
    },
  };
}
