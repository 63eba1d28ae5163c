// Puts the files of the netlog system where the state puts them, in a qube of either form (src/netlog/state/files.ts).
import { chmodSync, cpSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FILES, type Role } from '../../src/netlog/state/files.ts';
import type { Qube } from './qube.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));

/** With mode `rw`; 50-netlog.rc has them take effect. */
export function putFiles(qube: Pick<Qube, 'path'>, roles: readonly Role[]): void {
  for (const { from, role, rw, mode } of FILES) {
    if (rw === undefined || !roles.includes(role)) continue;
    mkdirSync(dirname(qube.path(rw)), { recursive: true });
    cpSync(join(DEPLOY, from), qube.path(rw));
    chmodSync(qube.path(rw), Number.parseInt(mode, 8));
  }
}

/** With mode `template`: arguments of systemd-nspawn for a qube of such a template. */
export function templateFiles(roles: readonly Role[]): string[] {
  return FILES.flatMap(({ from, role, template }) =>
    template !== undefined && roles.includes(role) ? [`--bind-ro=${join(DEPLOY, from)}:${template}`] : [],
  );
}
