// The form that puts all into templates: dom0 brings a booted Debian its package and files, which its own apt and systemd take,
// as of a qube that then starts from it; and the removal takes them away. Qubes' own way of templates is not there: the one
// machine is first the template and then the qube.
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Packages, VERSION } from '../deploy/package/packages.ts';
import { QubesLab } from './lab.ts';
import type { Qube } from './qube.ts';
import { apply, layPillar, layStates, STATE, salt, WITH_QUBESCTL } from './salt.ts';

const UNITS = ['netpcap.service', 'netlog-spool.service'];
const LISTED = ['find', '/usr/lib', '/usr/bin', '/etc', '-name', '*netlog*', '-o', '-name', '*netpcap*'];

let packages: Packages;
let lab: QubesLab;
let template: Qube;
let before = '';

beforeAll(async () => {
  packages = new Packages('tsnetpcap');
  const unpacked = packages.unpack(`tsnetpcap-qubes-${VERSION}.tar.gz`);
  lab = await QubesLab.create(
    [
      { name: 'a-template', database: { '/vm-config/netlog-prefix': 'SYSFW' } },
      { name: 'sys-both' },
      { name: 'work', halted: true },
    ],
    { dom0: WITH_QUBESCTL },
  );
  template = lab.qube('a-template');
  before = await template.exec(LISTED);
  layStates(lab.dom0, (files) => {
    for (const name of ['tsnetpcap.deb', 'tsnetpcap.rpm'])
      copyFileSync(join(unpacked, 'files', name), join(files, name));
  });
  const form = 'mode: template, templates: [a-template], capture: [sys-both], nftlog: { sys-both: BOTH }';
  layPillar(lab.dom0, `netlog: { ${form}, ring: 72 }\n`);
}, 120_000);
afterAll(() => {
  packages?.remove();
  return lab?.remove();
});

const states = async (verb: string): Promise<string> => (await template.run(['systemctl', verb, ...UNITS])).stdout;

test('applied once, the package is installed and the units are enabled; twice, there is nothing to do', async () => {
  expect(await apply(lab.dom0, STATE)).toContain('netlog-deploy-a-template');
  expect(await template.exec(['dpkg', '-s', 'tsnetpcap'])).toContain('\nStatus: install ok installed\n');
  expect(await states('is-enabled')).toBe('enabled\nenabled\n');
  expect(await states('is-active')).toBe('inactive\ninactive\n');
  expect([
    lab.qube('sys-both').get('/qubes-service/netpcap'),
    lab.qube('sys-both').get('/vm-config/netlog-prefix'),
  ]).toEqual(['1', 'BOTH']);
});

test('a qube of the template captures and logs when it has the services, and not before', async () => {
  const start = ['sh', '-ec', `/usr/lib/qubes/init/qubes-firewall; systemctl start ${UNITS.join(' ')}`];
  await template.exec(start);
  expect(await states('is-active')).toBe('inactive\ninactive\n');
  expect(await template.exec(['nft', 'list', 'tables'])).toBe('');
  for (const service of ['netpcap', 'netlog']) writeFileSync(template.path(`/run/qubes-service/${service}`), '');
  await template.exec(start);
  expect(await states('is-active')).toBe('active\nactive\n');
  expect(await template.exec(['nft', 'list', 'table', 'inet', 'netlog'])).toContain('log prefix "SYSFW:new "');
  const pid = (await template.exec(['systemctl', 'show', '-P', 'MainPID', 'netpcap'])).trim();
  expect((await template.exec(['cat', `/proc/${pid}/cmdline`])).split('\0').join(' ')).toContain('--ring 72');
  const call = '/etc/qubes-rpc/netlog.Export pcaps 20261124T033500Z 0 1 | tar -tz';
  expect(await template.run(['bash', '-o', 'pipefail', '-c', call])).toMatchObject({ code: 0 });
});

test('the removal takes package, units and files away', async () => {
  await template.exec(['systemctl', 'stop', ...UNITS]);
  expect(await apply(lab.dom0, `${STATE}-remove`)).toContain('netlog-remove-a-template');
  expect(await template.run(['dpkg-query', '-W', 'tsnetpcap'])).toMatchObject({ code: 1 });
  expect(await template.exec(LISTED)).toBe(before);
  expect(lab.qube('sys-both').get('/qubes-service/netpcap')).toBeUndefined();
  expect(await salt(lab.dom0, `${STATE}-remove`)).toEqual([]);
});
