// A service manager as far as a service sees it: a datagram socket that it reads messages from. Node has no such sockets.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const LISTENER = `
import json, socket, sys
name, reads = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(('\\0' + name[1:]) if name.startswith('@') else name)
print('null', flush=True)
while reads == 'reads':
    print(json.dumps(listener.recv(65536).decode()), flush=True)
sys.stdin.read()
`;
const PATIENCE_MS = 20_000;

export class ManagerStandIn {
  /** Value for NOTIFY_SOCKET. */
  readonly address: string;
  /** In the order of their arrival. */
  readonly messages: string[] = [];
  readonly #listener: ChildProcess;

  private constructor(address: string, listener: ChildProcess) {
    this.address = address;
    this.#listener = listener;
  }

  /** Listens at a path, or a name that begins with `@`. With `reads` false messages pile up until none fits any more. */
  static async at(address: string, reads = true): Promise<ManagerStandIn> {
    const listener = spawn('python3', ['-c', LISTENER, address, reads ? 'reads' : 'binds'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const manager = new ManagerStandIn(address, listener);
    const lines = createInterface({ input: listener.stdout });
    await once(lines, 'line');
    lines.on('line', (line) => manager.messages.push(JSON.parse(line)));
    return manager;
  }

  /** All lines of all messages. */
  get lines(): string[] {
    return this.messages.flatMap((message) => message.split('\n'));
  }

  /** Resolves when there is a line that matches, other than the first `from`. */
  async says(pattern: RegExp, from = 0): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!this.lines.slice(from).some((line) => pattern.test(line))) {
      if (performance.now() > deadline) throw new Error(`${pattern} was not said: ${JSON.stringify(this.messages)}`);
      await sleep(5);
    }
  }

  async end(): Promise<void> {
    if (this.#listener.exitCode !== null || this.#listener.signalCode !== null) return;
    const exit = once(this.#listener, 'exit');
    this.#listener.kill('SIGKILL');
    await exit;
  }
}
