// Real traffic for the tests of decode/: a network namespace, tcpdump on its loopback, what the packets carry, and what
// tshark reads in them. Needs root.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Namespace } from '../../filter/namespace.ts';
import { readSavefile } from '../../savefile.ts';

const LAST = 'the last packet';

/** A TCP or UDP packet of loopback that carries something. */
export interface Carried {
  /** Its number in the file, as tshark counts. */
  readonly frame: number;
  readonly protocol: 'tcp' | 'udp';
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Of TCP; 0 for UDP. */
  readonly sequence: number;
  readonly payload: Buffer;
}

export class Traffic {
  readonly namespace: Namespace = new Namespace();
  readonly directory: string = mkdtempSync(join(tmpdir(), 'tsnetpcap-traffic-'));
  readonly file: string = join(this.directory, 'traffic.pcap');
  readonly #running: ChildProcess[] = [];

  /** Starts a program in the namespace that is stopped at the end; resolves when it has printed `ready`. */
  async start(ready: string, program: string, ...args: readonly string[]): Promise<ChildProcess> {
    const child = spawn('ip', ['netns', 'exec', this.namespace.name, program, ...args], { stdio: 'pipe' });
    this.#running.push(child);
    await new Promise<void>((resolve, reject) => {
      let printed = '';
      const read = (chunk: Buffer): void => {
        printed += chunk;
        if (printed.includes(ready)) resolve();
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('exit', (code) => reject(new Error(`${program} exited with ${code}: ${printed}`)));
    });
    return child;
  }

  /** What a program in the namespace prints; a failure counts as an end. */
  run(program: string, ...args: readonly string[]): string {
    try {
      return execFileSync('ip', ['netns', 'exec', this.namespace.name, program, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: 30_000,
      });
    } catch (error) {
      // A client that nobody answers has sent all that is wanted of it.
      if (error instanceof Error && 'stdout' in error) return String(error.stdout);
      throw error;
    }
  }

  /** Lets headless Chromium open a page, every name being 127.0.0.1; what it makes of the answer is of no interest. */
  browse(url: string, ...options: readonly string[]): void {
    const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
    const headless = ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${this.directory}/chromium`];
    const names = '--host-resolver-rules=MAP * 127.0.0.1';
    this.run('chromium', ...headless, ...quiet, names, ...options, '--dump-dom', url);
  }

  /** Runs `send` with tcpdump beside it, and stops all that was started. */
  async capture(send: () => void | Promise<void>): Promise<void> {
    const options = ['-i', 'lo', '-s', '0', '-U', '--immediate-mode', '-w', this.file];
    const tcpdump = await this.start('listening on', 'tcpdump', ...options);
    await send();
    // A last packet: when it is in the file, so are all the others.
    this.run('bash', '-c', `printf '${LAST}' > /dev/udp/127.0.0.1/9`);
    for (let look = 0; look < 100 && !readFileSync(this.file).includes(LAST); look++) await setTimeout(50);
    await stop(tcpdump, 'SIGINT');
    for (const child of this.#running) await stop(child, 'SIGTERM');
  }

  /** All packets with a payload. */
  carried(): Carried[] {
    return readSavefile(this.file).records.flatMap(({ packet }, index) => carriedBy(packet, index + 1));
  }

  /** The file with `snaplen` bytes of each packet, as a file of its own. */
  cut(snaplen: number): string {
    const file = join(this.directory, `traffic-${snaplen}.pcap`);
    execFileSync('editcap', ['-F', 'pcap', '-s', String(snaplen), this.file, file]);
    return file;
  }

  /** The fields of each packet of a file that passes the filter, each a list of its occurrences. */
  tshark(filter: string, fields: readonly string[], file: string = this.file): string[][][] {
    const chosen = fields.flatMap((field) => ['-e', field]);
    const format = ['-T', 'fields', '-E', 'separator=\x1e', '-E', 'aggregator=\x1f', '-n'];
    const args = ['-r', file, '-Y', filter, ...format, ...chosen];
    const printed = execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return printed
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\x1e').map((field) => (field === '' ? [] : field.split('\x1f'))));
  }

  remove(): void {
    this.namespace.close();
    rmSync(this.directory, { recursive: true });
  }
}

async function stop(child: ChildProcess, signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

function carriedBy(packet: Buffer, frame: number): Carried[] {
  const ip = 14;
  if (packet.readUInt16BE(12) !== 0x0800) return [];
  const transport = ip + 4 * (packet.readUInt8(ip) & 15);
  const end = ip + packet.readUInt16BE(ip + 2);
  const protocol = packet.readUInt8(ip + 9) === 6 ? 'tcp' : 'udp';
  if (packet.readUInt8(ip + 9) !== 6 && packet.readUInt8(ip + 9) !== 17) return [];
  const header = protocol === 'tcp' ? 4 * (packet.readUInt8(transport + 12) >> 4) : 8;
  const payload = packet.subarray(transport + header, end);
  if (payload.length === 0) return [];
  return [
    {
      frame,
      protocol,
      sourcePort: packet.readUInt16BE(transport),
      destinationPort: packet.readUInt16BE(transport + 2),
      sequence: protocol === 'tcp' ? packet.readUInt32BE(transport + 4) : 0,
      payload,
    },
  ];
}

/** A field of tshark's that is a flag: `1` up to 4.0, `True` from 4.2 on. */
export function isTrue(field: string | undefined): boolean {
  return field === '1' || field === 'True';
}
