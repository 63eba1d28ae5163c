// A Qubes machine with the netlog system in it, as the document's one command puts it there: dom0, a chain of net qubes with a
// client before and the internet behind it, the vault and work. Needs root; whoever has one must `remove` it.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { Chain } from './chain.ts';
import { QubesLab } from './lab.ts';
import type { Qube } from './qube.ts';
import { layPillar, layProgram, layStates, STATE, salt, WITH_QUBESCTL } from './salt.ts';

export const CAPTURES = ['sys-dns', 'sys-vpn'] as const;
export const LOGS = ['sys-firewall', 'sys-net'] as const;

const STAMP = '/var/lib/systemd/timers/stamp-qubes-netlogs-backup.timer';
/** The kernel keeps what nftables logs in a network namespace to itself unless this is 1. */
const LOG_ALL = '/proc/sys/net/netfilter/nf_log_all_netns';

export class NetQubes {
  readonly chain: Chain;
  readonly lab: QubesLab;
  readonly #logAll: string;

  private constructor(chain: Chain, lab: QubesLab, logAll: string) {
    this.chain = chain;
    this.lab = lab;
    this.#logAll = logAll;
  }

  /** `order`: the net qubes, the client's first. `pillar` in YAML. */
  static async create(order: readonly string[], pillar = ''): Promise<NetQubes> {
    const logAll = readFileSync(LOG_ALL, 'utf8');
    const chain = new Chain(order);
    let lab: QubesLab | undefined;
    try {
      const networked = order.map((name) => ({
        name,
        network: chain.namespace(name),
        services: ['qubes-firewall'],
      }));
      const others = [{ name: 'secrets-vault', halted: true }, { name: 'work' }];
      lab = await QubesLab.create([...networked, ...others], { dom0: WITH_QUBESCTL });
      writeFileSync(LOG_ALL, '1');
      layStates(lab.dom0, layProgram);
      if (pillar !== '') layPillar(lab.dom0, pillar);
      await salt(lab.dom0, STATE);
      return new NetQubes(chain, lab, logAll);
    } catch (cause) {
      writeFileSync(LOG_ALL, logAll);
      await lab?.remove();
      chain.remove();
      throw cause;
    }
  }

  async remove(): Promise<void> {
    writeFileSync(LOG_ALL, this.#logAll);
    await this.lab.remove();
    this.chain.remove();
  }

  qube(name: string): Qube {
    return this.lab.qube(name);
  }

  /** Once a capture of the service's is under way in `name`. */
  async capturing(name: string): Promise<void> {
    const active = ['sh', '-c', 'systemctl is-active netpcap.service && ls /var/log/netpcap/*.pcap.part'];
    await expect.poll(() => this.qube(name).run(active), { timeout: 20_000 }).toMatchObject({ code: 0 });
  }

  /** The savefile that is being written in `name` is closed, and so complete, once it holds `bytes`. */
  async complete(name: string, bytes: string): Promise<void> {
    const qube = this.qube(name);
    const holding = ['sh', '-c', 'cd /var/log/netpcap && grep -al -- "$0" *.pcap.part', bytes];
    let open = '';
    await expect.poll(async () => (open = (await qube.run(holding)).stdout.trim()), { timeout: 20_000 }).not.toBe('');
    await qube.exec(['systemctl', 'reload', 'netpcap.service']);
    const published = ['test', '-e', `/var/log/netpcap/${open.slice(0, -'.part'.length)}`];
    await expect.poll(() => qube.run(published), { timeout: 20_000 }).toMatchObject({ code: 0 });
  }

  /** The nightly backup, by its timer, as after a night that was missed; what it has said. */
  async night(): Promise<string> {
    const { dom0 } = this.lab;
    await dom0.exec(['systemctl', 'stop', 'qubes-netlogs-backup.timer']);
    const before = await this.#backups();
    await dom0.exec(['sh', '-ec', 'mkdir -p /var/lib/systemd/timers; touch -d "3 days ago" $0', STAMP]);
    await dom0.exec(['systemctl', 'start', 'qubes-netlogs-backup.timer']);
    const said = ['journalctl', '-q', '-o', 'cat', '-u', 'qubes-netlogs-backup.service', '-t', 'qubes-netlogs-backup'];
    const ended = ['systemctl', 'show', '--value', '-p', 'ActiveState', 'qubes-netlogs-backup.service'];
    await expect.poll(() => this.#backups(), { timeout: 40_000 }).toBe(before + 1);
    await expect.poll(() => dom0.exec(ended), { timeout: 40_000 }).toMatch(/^(inactive|failed)\n$/);
    return dom0.exec([...said, '_SYSTEMD_INVOCATION_ID='.concat(await this.#invocation())]);
  }

  /** How often the backup was begun. */
  async #backups(): Promise<number> {
    const begun = ['journalctl', '-q', '-o', 'cat', 'MESSAGE_ID=7d4958e842da4a758f6c1cdc7b36dcc5'];
    const unit = 'UNIT=qubes-netlogs-backup.service';
    return (await this.lab.dom0.exec([...begun, unit])).split('\n').length;
  }

  async #invocation(): Promise<string> {
    const show = ['systemctl', 'show', '--value', '-p', 'InvocationID', 'qubes-netlogs-backup.service'];
    return (await this.lab.dom0.exec(show)).trim();
  }
}
