// The state files in a lab's dom0 or qube: laid out as a person would, below /srv/salt/qubes/monitor, and applied by a stand-in for
// qubesctl (qubesctl.py).
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { Ended } from '../program.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const QUBESCTL = fileURLToPath(new URL('qubesctl.py', import.meta.url));
export const STATE = 'qubes.monitor.full-netlog';

/** dom0, or a qube that gets a state by --targets. */
interface Machine {
  path(inside: string): string;
  run(argv: readonly string[]): Promise<Ended>;
}

/** What came of one state of a file. */
interface Result {
  readonly id: string;
  readonly changed: boolean;
  readonly failed?: string;
}

/** Arguments of systemd-nspawn that give it a qubesctl. */
export const WITH_QUBESCTL: readonly string[] = [`--bind-ro=${QUBESCTL}:/usr/bin/qubesctl`];

/** Puts the states there, and below files/ what `lay` adds there. */
export function layStates(machine: Machine, lay: (files: string) => void): void {
  const monitor = machine.path('/srv/salt/qubes/monitor');
  mkdirSync(join(monitor, 'files'), { recursive: true });
  for (const name of ['full-netlog.sls', 'full-netlog-remove.sls']) {
    copyFileSync(join(ROOT, 'deploy/qubes', name), join(monitor, name));
  }
  lay(join(monitor, 'files'));
}

/** The program as packages have it, with a Node of its own: this machine's. */
export function layProgram(files: string): void {
  const made = mkdtempSync(join(tmpdir(), 'tsnetpcap-program-'));
  const config = ['--config', 'deploy/package/rolldown.mjs', '--logLevel', 'silent', '--dir', made];
  execFileSync(join(ROOT, 'node_modules/.bin/rolldown'), config, { cwd: ROOT });
  const own = (path: string): boolean => path === made || basename(path).startsWith('tsnetpcap');
  cpSync(made, join(files, 'tsnetpcap'), { recursive: true, filter: own });
  rmSync(made, { recursive: true });
  const { arch } = process;
  const koffi = join(ROOT, `node_modules/@koromix/koffi-linux-${arch}/linux_${arch}/koffi.node`);
  copyFileSync(koffi, join(files, 'tsnetpcap/koffi.node'));
  writeFileSync(join(files, 'tsnetpcap/node'), `#!/bin/sh\nexec ${process.execPath} "$@"\n`);
}

export function layPillar(machine: Machine, text: string): void {
  mkdirSync(machine.path('/srv/pillar'), { recursive: true });
  writeFileSync(machine.path('/srv/pillar/netlog.sls'), text);
}

/** `qubesctl --show-output state.sls ARGS`: the ids of those that changed, or would with test=True. Rejects where one failed. */
export async function salt(machine: Machine, ...args: readonly string[]): Promise<string[]> {
  const { stdout, stderr } = await machine.run(['qubesctl', '--show-output', 'state.sls', ...args]);
  expect(stderr).toBe('');
  const results: Result[] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(results.filter(({ failed }) => failed !== undefined)).toEqual([]);
  return results.flatMap(({ id, changed }) => (changed ? [id] : []));
}

/** Applies `state`, expecting that it does what test=True has foretold, and nothing more a second time. */
export async function apply(machine: Machine, state: string): Promise<string[]> {
  const foretold = await salt(machine, state, 'test=True');
  const done = await salt(machine, state);
  expect(done).toEqual(foretold);
  expect(await salt(machine, state)).toEqual([]);
  expect(await salt(machine, state, 'test=True')).toEqual([]);
  return done;
}
