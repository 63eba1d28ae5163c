// qubes-netlogs-final.service: a machine that is shut down takes the last lines of a qube that keeps nothing before Qubes' own
// unit shuts that qube down, which a unit here does as Qubes' does. Switched off by hand it does nothing.
import { chmodSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { QubesLab } from './lab.ts';
import { putFiles } from './netlog-files.ts';

const FINAL = 'qubes-netlogs-final.service';
const EXPORT = '#!/bin/bash\nif [ "$1" = facts ]; then echo lines=1; else echo "a line" | gzip -n; fi\n';
const CORE = `[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/usr/bin/qvm-shutdown --wait sys-firewall secrets-vault
`;

let lab: QubesLab;

beforeAll(async () => {
  lab = await QubesLab.create([{ name: 'sys-firewall', klass: 'DispVM' }, { name: 'secrets-vault' }]);
  putFiles(lab.dom0, ['dom0']);
  writeFileSync(lab.dom0.path('/etc/netlogs.conf'), 'PCAPS=\nNFT=sys-firewall\n');
  writeFileSync(lab.dom0.path('/etc/systemd/system/qubes-core.service'), CORE);
  const services = lab.qube('sys-firewall').path('/etc/qubes-rpc');
  await lab.qube('sys-firewall').exec(['mkdir', '-p', '/etc/qubes-rpc']);
  for (const [name, text] of [
    ['netlog.Export', EXPORT],
    ['netlog.Release', '#!/bin/sh\n'],
  ] as const) {
    writeFileSync(`${services}/${name}`, text);
    chmodSync(`${services}/${name}`, 0o755);
  }
  await lab.dom0.exec(['systemctl', 'start', 'qubes-core.service', FINAL]);
});

afterAll(() => lab?.remove());

const bundles = (): Promise<string> =>
  lab.qube('secrets-vault').exec(['sh', '-c', 'find NetLogs -type f -name "nft-*" 2> /dev/null; true'], 'user');

test('switched off by hand it fetches nothing', async () => {
  await lab.dom0.exec(['systemctl', 'stop', FINAL]);
  expect(lab.calls).toEqual([]);
  await lab.dom0.exec(['systemctl', 'start', FINAL]);
});

test('when the machine is shut down it fetches what is there, and the qubes end after that', async () => {
  await lab.dom0.powerOff();
  const last = lab.calls.at(-1);
  expect(last?.[0]).toBe('qvm-shutdown');
  expect(lab.calls.filter((call) => call[0] === 'qvm-run').length).toBeGreaterThan(3);
  expect(lab.qube('sys-firewall').running).toBe(false);
  await lab.qube('secrets-vault').start();
  expect(await bundles()).toMatch(/^NetLogs\/sys-firewall\/[\d-]+\/nft-[\d-]+\.log\.gz\n$/);
});
