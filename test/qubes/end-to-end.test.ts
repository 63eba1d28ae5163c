// The whole way, on booted qubes: a client's DNS, TCP, UDP and IPv6 through sys-vpn, sys-dns, sys-firewall and sys-net; our
// captures as netpcap.service; a qube is killed between; dom0's timer; what is in the vault, judged by tar and tshark; and
// what the pull helper and the viewer bring of it into work. Files are put where the state puts them
// (src/netlog/state/files.ts), as the form rw.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FILES, type Role } from '../../src/netlog/state/files.ts';
import { putProgram } from '../boot/installed.ts';
import { Program } from '../program.ts';
import { Chain, INTERNET } from './chain.ts';
import { QubesLab } from './lab.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));
const NET_QUBES = ['sys-vpn', 'sys-dns', 'sys-firewall', 'sys-net'] as const;
const CAPTURES = ['sys-dns', 'sys-vpn'] as const;
const STAMP = '/var/lib/systemd/timers/stamp-qubes-netlogs-backup.timer';

let chain: Chain;
let lab: QubesLab;
let server: Program;
const scratch = mkdtempSync(join(tmpdir(), 'tsnetpcap-end-'));

beforeAll(async () => {
  chain = new Chain(NET_QUBES);
  server = new Program(undefined, chain.command('internet', [process.execPath, '-e', SERVER]));
  await server.until(() => server.stdout.includes('ready'));
  const network = (name: string): { name: string; network: string } => ({ name, network: chain.namespace(name) });
  lab = await QubesLab.create([
    ...CAPTURES.map((name) => ({ ...network(name), services: ['qubes-firewall', 'netpcap'] })),
    ...(['sys-firewall', 'sys-net'] as const).map((name) => ({ ...network(name), services: ['qubes-firewall'] })),
    { name: 'secrets-vault', halted: true },
    { name: 'work' },
  ]);
  put('dom0', (inside) => lab.dom0.path(inside));
  put('work', (inside) => lab.qube('work').path(inside));
  writeFileSync(lab.dom0.path('/etc/netlogs.conf'), 'NFT=\n');
  for (const name of CAPTURES) {
    const qube = lab.qube(name);
    for (const role of ['source', 'capture'] as const) put(role, (inside) => qube.path(inside));
    putProgram('/usr/local', (inside) => qube.path(inside));
    await qube.exec(['/rw/config/rc.local.d/50-netlog.rc', '--wait']);
  }
});

afterAll(async () => {
  await lab?.remove();
  await server?.kill();
  chain?.remove();
  rmSync(scratch, { recursive: true });
});

/** The files of `role`, where they belong. */
function put(role: Role, path: (inside: string) => string): void {
  for (const { from, rw, mode } of FILES.filter((file) => file.role === role)) {
    if (rw === undefined) continue;
    mkdirSync(dirname(path(rw)), { recursive: true });
    cpSync(join(DEPLOY, from), path(rw));
    chmodSync(path(rw), Number.parseInt(mode, 8));
  }
}

const SERVER = `
  require('net').createServer((socket) => socket.pipe(socket)).listen(443, '::', () => console.log('ready'));
  for (const port of [53, 9999]) {
    const udp = require('dgram').createSocket('udp6').bind(port);
    udp.on('message', (data, { port, address }) => udp.send(data, port, address));
  }`;

/** A DNS query for NAME.test, a UDP packet and a TCP connection, each by IPv4 and by IPv6; after all answers `end of NAME`. */
const CLIENT = (name: string): string => `
  const dns = Buffer.concat([Buffer.from('123401000001000000000000', 'hex'), Buffer.from([${name.length}]),
    Buffer.from('${name}'), Buffer.from([4]), Buffer.from('test'), Buffer.from('0000010001', 'hex')]);
  for (const address of ${JSON.stringify(INTERNET)}) {
    for (const [port, data] of [[53, dns], [9999, Buffer.from('hello')]]) {
      const udp = require('dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4');
      udp.on('message', () => udp.close()).send(data, port, address);
    }
    const tcp = require('net').connect(443, address, () => tcp.end('hello')).resume();
  }
  process.once('beforeExit', () => {
    const udp = require('dgram').createSocket('udp4');
    udp.on('message', () => udp.close()).send('end of ${name}', 9999, '${INTERNET[0]}');
  });`;

async function traffic(name: string): Promise<void> {
  const ended = await Program.run(undefined, chain.command('client', [process.execPath, '-e', CLIENT(name)]));
  expect(ended).toMatchObject({ code: 0, stderr: '' });
}

/** The savefile with all of `traffic` is closed, and so complete. */
async function complete(name: string, sent: string): Promise<void> {
  const qube = lab.qube(name);
  const open = (await qube.exec(['sh', '-c', 'cd /var/log/netpcap && ls *.pcap.part'])).trim();
  const written = ['grep', '-aq', `end of ${sent}`, `/var/log/netpcap/${open}`];
  await expect.poll(() => qube.run(written), { timeout: 20_000 }).toMatchObject({ code: 0 });
  await qube.exec(['systemctl', 'reload', 'netpcap.service']);
  const published = ['test', '-e', `/var/log/netpcap/${open.slice(0, -'.part'.length)}`];
  await expect.poll(() => qube.run(published), { timeout: 20_000 }).toMatchObject({ code: 0 });
}

const capturing = (name: string): Promise<unknown> =>
  expect
    .poll(() => lab.qube(name).run(['systemctl', 'is-active', 'netpcap.service']), { timeout: 20_000 })
    .toMatchObject({ code: 0 });

/** What tshark finds in a savefile that matches `filter`. */
function judge(file: string, filter: string, ...fields: readonly string[]): string[] {
  const args = ['-n', '-r', file, '-Y', filter, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])];
  const { status, stdout, stderr } = spawnSync('tshark', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tshark ${args.join(' ')}: ${stderr}`);
  return stdout.split('\n').filter((line) => line !== '');
}

test('what a client has sent, before and after sys-dns was killed, is whole in the vault', async () => {
  for (const name of CAPTURES) await capturing(name);
  await traffic('one');
  for (const name of CAPTURES) await complete(name, 'one');
  await lab.qube('sys-dns').kill();
  await lab.qube('sys-dns').start();
  await capturing('sys-dns');
  await traffic('two');
  for (const name of CAPTURES) await complete(name, 'two');

  await lab.dom0.exec(['sh', '-ec', 'mkdir -p /var/lib/systemd/timers; touch -d "3 days ago" $0', STAMP]);
  await lab.dom0.exec(['systemctl', 'enable', '--now', 'qubes-netlogs-backup.timer']);
  const journal = (): Promise<string> =>
    lab.dom0.exec(['journalctl', '-o', 'cat', '-u', 'qubes-netlogs-backup.service', '-t', 'qubes-netlogs-backup']);
  const state = ['systemctl', 'show', '--value', '-p', 'ActiveState,ExecMainExitTimestampMonotonic,Result'];
  await expect
    .poll(() => lab.dom0.exec([...state, 'qubes-netlogs-backup.service']), { timeout: 40_000 })
    .toMatch(/^(success|inactive|[1-9]\d*)\n(success|inactive|[1-9]\d*)\n(success|inactive|[1-9]\d*)\n$/);
  expect(await journal()).toBe('sys-dns: backed up\nsys-vpn: backed up\n');

  const date = (await lab.dom0.exec(['date', '-I'])).trim();
  let savefiles = 0;
  const vault = lab.qube('secrets-vault');
  expect(vault.running).toBe(false);
  await vault.start();
  for (const name of CAPTURES) {
    const bundles = `/home/user/NetLogs/${name}/${date}`;
    expect(await vault.exec(['ls', bundles])).toBe(`manifest.json\npcaps-${date}.tgz\n`);
    const manifest = JSON.parse(await vault.exec(['cat', `${bundles}/manifest.json`])) as {
      sha256: string;
      facts: Record<string, string>;
    };
    const directory = join(scratch, name);
    mkdirSync(directory);
    cpSync(vault.path(`${bundles}/pcaps-${date}.tgz`), join(directory, 'bundle'));
    expect(await vault.exec(['sha256sum', `${bundles}/pcaps-${date}.tgz`])).toContain(manifest.sha256);
    const files = (await Program.run(undefined, ['tar', '-xvzf', join(directory, 'bundle'), '-C', directory])).stdout
      .split('\n')
      .filter((path) => path !== '')
      .map((path) => join(directory, path));
    expect(manifest.facts['files']).toBe(String(files.length));
    savefiles += files.length;
    expect(manifest.facts['packets']).toBe(
      String(files.flatMap((file) => judge(file, 'frame', 'frame.number')).length),
    );
    for (const family of ['ip', 'ipv6']) {
      const names = files.flatMap((file) => judge(file, `${family} and dns.flags.response == 0`, 'dns.qry.name'));
      expect([...new Set(names)].sort()).toEqual(['one.test', 'two.test']);
      for (const filter of ['tcp.dstport == 443', 'udp.dstport == 9999'])
        expect(files.flatMap((file) => judge(file, `${family} and ${filter}`, 'frame.number'))).not.toEqual([]);
    }
    const head = manifest.facts['ledger_head'] ?? '';
    await lab.qube(name).exec(['tsnetpcap', 'verify', '--head', head, '/var/log/netpcap']);
  }

  const pulled = await lab.dom0.run(['/usr/local/sbin/pull-netlogs-to-work']);
  const said = `sys-dns: pulled\nsys-vpn: pulled\nDone. Check in 'work': ~/NetLogs/${date}/\n`;
  expect(pulled).toEqual({ code: 0, stdout: said, stderr: '' });
  const viewer = ['/home/user/bin/open-netlogs.sh', '--tshark', '--open', 'all'];
  const viewed = await lab.qube('work').run(viewer, { user: 'user' });
  expect(viewed).toMatchObject({ code: 0, stdout: expect.stringContaining(`pcaps for ${date}:`) });
  expect(viewed.stdout.match(/^ {2}\[\d\d\] /gm)?.length).toBe(savefiles);
  for (const name of ['one.test', 'two.test']) expect(viewed.stdout).toContain(name);
});
