// Opens what a source has encrypted, by the program `age` and an identity file of the user's.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { DamageError } from './bounds.ts';

const MOST_STDERR = 2000;

/** The plain bytes of the file `path`. Throws DamageError with what age says, also when some came, and without age. */
export async function* decrypt(path: string, identity: string, name: string): AsyncGenerator<Buffer> {
  const age = spawn('age', ['--decrypt', '--identity', identity, '--', path], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  age.stderr.on('data', (piece: Buffer) => {
    if (said.length < MOST_STDERR) said += piece.toString();
  });
  let failure: Error | undefined;
  age.on('error', (cause) => {
    failure = new DamageError(name, `it is encrypted, and the program age did not start: ${cause.message}`, { cause });
  });
  const closed = once(age, 'close').catch(() => {}); // 'error' has it
  try {
    for await (const piece of age.stdout as AsyncIterable<Buffer>) yield piece;
    await closed;
  } finally {
    age.kill();
  }
  if (failure !== undefined) throw failure;
  if (age.exitCode !== 0)
    throw new DamageError(name, `age: ${said.trim().split('\n')[0] ?? `exit code ${age.exitCode}`}`);
}
