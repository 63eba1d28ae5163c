// Runs netlogs as `npm run build` made it.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const NETLOGS: string = fileURLToPath(new URL('../../../dist/netlogs.cjs', import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Bytes, for what is no text. */
  readonly bytes: Buffer;
}

export function netlogs(args: readonly string[], env: Readonly<Record<string, string>> = {}): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [NETLOGS, ...args], {
    env: { ...process.env, TZ: 'UTC', HOME: '/nonexistent', ...env },
    maxBuffer: 64 * 1024 * 1024,
    timeout: 45_000,
  });
  return { code: status, stdout: stdout.toString(), stderr: stderr.toString(), bytes: stdout };
}

/** As on a terminal of so many columns, with what the terminal itself would see. */
export function onTerminal(columns: number, args: readonly string[]): string {
  const command = [process.execPath, NETLOGS, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const { stdout } = spawnSync('script', ['-qec', `stty cols ${columns}; exec ${command}`, '/dev/null'], {
    env: { ...process.env, TZ: 'UTC', HOME: '/nonexistent' },
    input: '',
    timeout: 45_000,
  });
  return stdout.toString();
}

/** The rows of `--json`. */
export function rowsOf({ stdout }: Ran): Record<string, unknown>[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
