// The whole way, on booted qubes: the document's one command in dom0; a client's DNS, TCP, UDP and IPv6 through sys-vpn,
// sys-dns, sys-firewall and sys-net; netpcap.service and the kernel's own lines; qubes that are killed between; dom0's timer;
// what is in the vault, judged by tar, gzip and tshark; and what the pull helper and the viewer bring of it into work.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Program } from '../program.ts';
import { INTERNET } from './chain.ts';
import { CAPTURES, LOGS, NetQubes } from './net-qubes.ts';

interface Manifest {
  readonly sha256: string;
  readonly facts: Readonly<Record<string, string>>;
}

let qubes: NetQubes;
let server: Program;
const scratch = mkdtempSync(join(tmpdir(), 'tsnetpcap-end-'));

beforeAll(async () => {
  qubes = await NetQubes.create(['sys-vpn', 'sys-dns', 'sys-firewall', 'sys-net']);
  server = new Program(undefined, qubes.chain.command('internet', [process.execPath, '-e', SERVER]));
  await server.until(() => server.stdout.includes('ready'));
});

afterAll(async () => {
  await server?.kill();
  await qubes?.remove();
  rmSync(scratch, { recursive: true });
});

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
  const ended = await Program.run(undefined, qubes.chain.command('client', [process.execPath, '-e', CLIENT(name)]));
  expect(ended).toMatchObject({ code: 0, stderr: '' });
}

/** What tshark finds in a savefile that matches `filter`. */
function judge(file: string, filter: string, ...fields: readonly string[]): string[] {
  const args = ['-n', '-r', file, '-Y', filter, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])];
  const { status, stdout, stderr } = spawnSync('tshark', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tshark ${args.join(' ')}: ${stderr}`);
  return stdout.split('\n').filter((line) => line !== '');
}

/** A bundle's manifest and, below `scratch`, its copy. */
async function bundle(name: string, file: string, date: string): Promise<{ manifest: Manifest; copy: string }> {
  const vault = qubes.qube('secrets-vault');
  const directory = `/home/user/NetLogs/${name}/${date}`;
  expect(await vault.exec(['ls', directory])).toBe(['manifest.json', file].sort().join('\n').concat('\n'));
  const manifest: Manifest = JSON.parse(await vault.exec(['cat', `${directory}/manifest.json`]));
  expect(await vault.exec(['sha256sum', `${directory}/${file}`])).toContain(manifest.sha256);
  const copy = join(scratch, file.replace(date, name));
  cpSync(vault.path(`${directory}/${file}`), copy);
  return { manifest, copy };
}

test('what a client has sent, before and after qubes were killed, is whole in the vault', {
  timeout: 180_000,
}, async () => {
  const begun = Math.floor(Date.now() / 1000);
  for (const name of CAPTURES) await qubes.capturing(name);
  await traffic('one');
  for (const name of CAPTURES) await qubes.complete(name, 'end of one');
  await spooled('sys-firewall');
  for (const name of ['sys-dns', 'sys-firewall']) {
    await qubes.qube(name).kill();
    await qubes.qube(name).start();
  }
  await qubes.capturing('sys-dns');
  await traffic('two');
  for (const name of CAPTURES) await qubes.complete(name, 'end of two');

  const backedUp = [...CAPTURES, ...LOGS].map((name) => `${name}: backed up\n`).join('');
  expect(await qubes.night()).toBe(backedUp);
  const date = (await qubes.lab.dom0.exec(['date', '-I'])).trim();
  expect(qubes.qube('secrets-vault').running).toBe(false);
  await qubes.qube('secrets-vault').start();

  let savefiles = 0;
  for (const name of CAPTURES) {
    const { manifest, copy } = await bundle(name, `pcaps-${date}.tgz`, date);
    const directory = join(scratch, name);
    mkdirSync(directory);
    const files = (await Program.run(undefined, ['tar', '-xvzf', copy, '-C', directory])).stdout
      .split('\n')
      .filter((path) => path !== '')
      .map((path) => join(directory, path));
    expect(manifest.facts['files']).toBe(String(files.length));
    savefiles += files.length;
    const packets = files.flatMap((file) => judge(file, 'frame', 'frame.number'));
    expect(manifest.facts['packets']).toBe(String(packets.length));
    for (const family of ['ip', 'ipv6']) {
      const names = files.flatMap((file) => judge(file, `${family} and dns.flags.response == 0`, 'dns.qry.name'));
      expect([...new Set(names)].sort()).toEqual(['one.test', 'two.test']);
      for (const filter of ['tcp.dstport == 443', 'udp.dstport == 9999'])
        expect(files.flatMap((file) => judge(file, `${family} and ${filter}`, 'frame.number'))).not.toEqual([]);
    }
    const head = manifest.facts['ledger_head'] ?? '';
    await qubes.qube(name).exec(['tsnetpcap', 'verify', '--head', head, '/var/log/netpcap']);
  }

  for (const name of LOGS) {
    const { manifest, copy } = await bundle(name, `nft-${date}.log.gz`, date);
    const prefix = name === 'sys-net' ? 'SYSNET' : 'SYSFW';
    // All qubes here have one kernel, whose log also has what earlier runs left there.
    const lines = spawnSync('gzip', ['-cd', copy], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter((line) => Date.parse(line.slice(0, 23).concat('Z')) / 1000 >= begun);
    expect(Number(manifest.facts['lines'])).toBeGreaterThanOrEqual(lines.length);
    for (const [label, port] of [
      ['dns', 'DPT=53 '],
      ['new', 'DPT=443 '],
      ['new', 'DPT=9999 '],
    ] as const) {
      for (const address of ['DST=192.0.2.1 ', 'DST=2001:0db8:0000:0000:0000:0000:0000:0001 ']) {
        const found = lines.filter((line) =>
          [`${prefix}:${label} IN=vif5.0 OUT=eth0 `, address, port].every((part) => line.includes(part)),
        );
        expect(found.length, `${name} ${label} ${address}${port}`).toBeGreaterThanOrEqual(2); // one and two
      }
    }
  }

  const pulled = await qubes.lab.dom0.run(['/usr/local/sbin/pull-netlogs-to-work']);
  const each = [...CAPTURES, ...LOGS].map((name) => `${name}: pulled\n`).join('');
  expect(pulled).toEqual({ code: 0, stdout: `${each}Done. Check in 'work': ~/NetLogs/${date}/\n`, stderr: '' });
  const viewer = ['/home/user/bin/open-netlogs.sh', '--tshark', '--open', 'all'];
  const viewed = await qubes.qube('work').run(viewer, { user: 'user' });
  expect(viewed).toMatchObject({ code: 0, stdout: expect.stringContaining(`pcaps for ${date}:`) });
  expect(viewed.stdout.match(/^ {2}\[\d\d\] /gm)?.length).toBe(savefiles);
  for (const part of ['one.test', 'two.test', 'SYSFW:new IN=vif5.0', 'SYSNET:new IN=vif5.0'])
    expect(viewed.stdout).toContain(part);
});

/** The lines of all that has been sent have left the journal, which is gone with the qube. */
async function spooled(name: string): Promise<void> {
  const lines = ['sh', '-c', `cat /var/log/netlog/*.jsonl | grep -c DPT=9999`];
  await expect
    .poll(async () => Number((await qubes.qube(name).run(lines)).stdout), { timeout: 20_000 })
    .toBeGreaterThan(1);
}
