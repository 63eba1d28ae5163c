// The kernel's log of this machine, which all qubes of a lab share: tests of packet logs read it in a qube's journal. Lines of
// a run bear its own prefixes. Needs root.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { Qube } from './qube.ts';

const SWITCH = '/proc/sys/net/netfilter/nf_log_all_netns';

/** A prefix of this run alone, as the pillar would have it: `FIRST` is a capital. */
export const ownPrefix = (first: string): string => `${first}${randomBytes(4).toString('hex').toUpperCase()}`;

/** Has nftables log from all network namespaces; the function that comes back puts the switch where it was. */
export function logFromNamespaces(): () => void {
  const before = readFileSync(SWITCH, 'utf8');
  writeFileSync(SWITCH, '1');
  return () => writeFileSync(SWITCH, before);
}

/** The journal of `qube` has all that the kernel has logged up to now. */
export async function settle(qube: Qube): Promise<void> {
  const mark = ownPrefix('mark-');
  writeFileSync('/dev/kmsg', `<7>${mark}\n`);
  const found = (): Promise<string> =>
    qube.exec(['sh', '-c', `journalctl -q -o cat _TRANSPORT=kernel | grep -c ${mark} || :`]);
  await expect.poll(found, { timeout: 20_000 }).toBe('1\n');
}

/** Messages of the kernel's in the journal of `qube` that begin with `prefix`, oldest first. */
export async function messages(qube: Qube, prefix: string): Promise<string[]> {
  await settle(qube);
  const all = await qube.exec(['journalctl', '-q', '--no-pager', '-o', 'cat', '_TRANSPORT=kernel']);
  return all.split('\n').filter((line) => line.startsWith(prefix));
}
