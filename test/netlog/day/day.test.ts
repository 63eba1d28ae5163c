// Two days of a Qubes machine, from real traffic to an answer: what clients and net qubes do (life.ts) is captured and logged
// by the netlog system as dom0's state installs it, backed up and pulled into work; then `netlogs` is asked. On the first day
// nothing is wrong. On the second there is one leak of each kind and a name that is new, and each is found; nothing else is.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CAPTURES, LOGS, NetQubes } from '../../qubes/net-qubes.ts';
import { Gateways } from './gateways.ts';
import { ENDPOINT } from './internet.ts';
import { Life } from './life.ts';
import { PORT } from './tunnel.ts';

const NETLOGS = fileURLToPath(new URL('../../../dist/netlogs.cjs', import.meta.url));
const ORDER = ['sys-dns', 'sys-vpn', 'sys-firewall', 'sys-net'] as const;
const PREFIXES = { 'sys-firewall': 'SYSFW', 'sys-net': 'SYSNET' } as const;

let qubes: NetQubes;
let gateways: Gateways;
let life: Life;
let clean = '';
let leaky = '';
const home = mkdtempSync(join(tmpdir(), 'tsnetpcap-day-'));

beforeAll(async () => {
  // Enough for names, as its users have it.
  qubes = await NetQubes.create(ORDER, "netlog: { options: '--keep-names' }\n");
  gateways = await Gateways.open(qubes.chain, home);
  life = new Life(qubes.chain, gateways);

  const first = Date.now();
  await life.browse();
  await life.background();
  leaky = await night(first, 'the first');
  clean = (await qubes.lab.dom0.exec(['date', '-d', `${leaky} -1 day`, '-I'])).trim();
  await relabel(leaky, clean);

  const second = Date.now();
  await life.browse();
  await life.background();
  await life.phoneHome();
  await life.askElsewhere();
  await life.askByHttps();
  await life.askByTls();
  await life.passTunnel();
  await life.passTunnelByIpv6();
  expect(await night(second, 'the second')).toBe(leaky);
  for (const day of [clean, leaky]) {
    const { code, stderr } = await qubes.lab.dom0.run(['/usr/local/sbin/pull-netlogs-to-work', day]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  }
  cpSync(qubes.qube('work').path('/home/user/NetLogs'), join(home, 'NetLogs'), { recursive: true });
}, 300_000);

afterAll(async () => {
  life?.remove();
  await gateways?.remove();
  await qubes?.remove();
  rmSync(home, { recursive: true });
});

/** All that was captured since `begun` is in the vault; resolves to the day's label. */
async function night(begun: number, which: string): Promise<string> {
  await life.say(`end of ${which} day`);
  for (const name of CAPTURES) await qubes.complete(name, `end of ${which} day`);
  expect(await qubes.night()).toBe([...CAPTURES, ...LOGS].map((name) => `${name}: backed up\n`).join(''));
  const date = (await qubes.lab.dom0.exec(['date', '-I'])).trim();
  await qubes.qube('secrets-vault').start();
  // All qubes here have one kernel, and one log: each gets only what its own rules have written since then.
  for (const [name, prefix] of Object.entries(PREFIXES)) {
    const since = new Date(begun).toISOString().slice(0, 23);
    await vault(`cd NetLogs/${name}/${date}; file=nft-${date}.log.gz; old=$(sha256sum < $file)
      gzip -cd $file | awk '$1 >= "${since}" && / kernel: ${prefix}:/' | gzip -n > new; mv new $file
      new=$(sha256sum < $file); sed -i "s/\${old%% *}/\${new%% *}/; s/\\"bytes\\": [0-9]*/\\"bytes\\": $(stat -c %s $file)/" manifest.json`);
  }
  return date;
}

/** Bundles of one day become those of another. */
async function relabel(from: string, to: string): Promise<void> {
  await vault(`cd NetLogs; for d in */${from}; do
      for f in $d/*; do mv $f $d/$(basename $f | sed s/${from}/${to}/) 2> /dev/null || :; done
      sed -i s/${from}/${to}/g $d/manifest.json; mv $d \${d%/*}/${to}; done`);
}

const vault = (script: string): Promise<string> => qubes.qube('secrets-vault').exec(['bash', '-ec', script], 'user');

function netlogs(...args: readonly string[]): { code: number | null; stdout: string; stderr: string } {
  const options = ['-d', join(home, 'NetLogs'), '--tunnel', `${ENDPOINT}:${PORT}`];
  const [command = '', ...rest] = args;
  const at = command === 'check' ? options : options.slice(0, 2);
  const { status, stdout, stderr } = spawnSync(process.execPath, [NETLOGS, command, ...at, ...rest], {
    encoding: 'utf8',
  });
  return { code: status, stdout, stderr };
}

test('nothing is found on a day when nothing was wrong', () => {
  const { code, stdout, stderr } = netlogs('check', clean, '--json');
  expect({ evidence: JSON.parse(stdout), code, stderr }).toMatchObject({ code: 0, stderr: '' });
});
