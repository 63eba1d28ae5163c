// The packet logs of sys-firewall and sys-net, in either form, on booted qubes: what a client sends through both, by IPv4 and
// IPv6, and what of it is in the kernel's log and in the counters. Beside them the document's words as rules: `ct state new`
// and `limit rate 10/second`.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Program } from '../program.ts';
import { Chain, INTERNET } from './chain.ts';
import { logFromNamespaces, messages, ownPrefix } from './kernel-log.ts';
import { QubesLab } from './lab.ts';
import { putFiles, templateFiles } from './netlog-files.ts';
import type { Qube } from './qube.ts';

const SCRIPT = { rw: '/rw/config/netlog/50-netlog', template: '/etc/qubes/qubes-firewall.d/50-netlog' };
const RC = '/rw/config/rc.local.d/50-netlog.rc';
const USER_SCRIPT = '/rw/config/qubes-firewall-user-script';
const PREFIX = { 'sys-firewall': ownPrefix('F'), 'sys-net': ownPrefix('N') };
const DOCUMENT = ownPrefix('D');
const CLIENT = ['10.137.0.10', 'fd09:24ef:4179::a89:10'] as const;
const REFUSED = { reset: 4001, unreachable: 4002, dropped: 4003 };

let chain: Chain;
let lab: QubesLab;
let firewall: Qube;
let net: Qube;
let server: Program;
let restoreSwitch: (() => void) | undefined;

beforeAll(async () => {
  restoreSwitch = logFromNamespaces();
  chain = new Chain(['sys-firewall', 'sys-net']);
  server = new Program(undefined, chain.command('internet', [process.execPath, '-e', SERVER]));
  await server.until(() => server.stdout.includes('ready'));
  const qube = (name: keyof typeof PREFIX): object => ({
    network: chain.namespace(name),
    services: ['qubes-firewall', 'netlog'],
    database: { '/vm-config/netlog-prefix': PREFIX[name] },
  });
  lab = await QubesLab.create([
    { name: 'sys-firewall', ...qube('sys-firewall') },
    { name: 'sys-net', ...qube('sys-net'), nspawn: templateFiles(['nftlog']) },
  ]);
  firewall = lab.qube('sys-firewall');
  net = lab.qube('sys-net');
  putFiles(firewall, ['source', 'nftlog']);
  await shell(
    firewall,
    `printf '#!/bin/sh -eu\\nnft add table inet users\\n' > ${USER_SCRIPT}; chmod 0755 ${USER_SCRIPT}`,
  );
  await shell(firewall, `${RC} --wait`);
  // As Qubes' own firewall, after ours.
  await forward('qubes-firewall', 'filter', [
    'ct state established,related accept',
    `meta l4proto { tcp, udp } th dport ${REFUSED.unreachable} reject with icmpx admin-prohibited`,
    `meta l4proto { tcp, udp } th dport ${REFUSED.dropped} drop`,
    `tcp dport ${REFUSED.reset} reject with tcp reset`,
    'udp dport 6000-6004 drop',
  ]);
  const silent = 'meta l4proto { tcp, udp } th dport { 4005, 10000-29999 } drop';
  await inside('internet', [
    'nft',
    `table inet silent { chain input { type filter hook input priority filter; ${silent}; }; }`,
  ]);
});

afterAll(async () => {
  await lab?.remove();
  await server?.kill();
  chain?.remove();
  restoreSwitch?.();
});

/** TCP and UDP that answer, on the ports of DNS and 4000. */
const SERVER = `
  let open = 0;
  const ready = () => ++open === 4 && console.log('ready');
  for (const port of [53, 4000]) {
    require('net').createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(port, '::', ready);
    const udp = require('dgram').createSocket('udp6').bind(port, ready);
    udp.on('message', (data, { port, address }) => udp.send(data, port, address));
  }`;

const shell = (qube: Qube, script: string): Promise<string> => qube.exec(['bash', '-ec', script]);

/** A table in sys-firewall, for what is forwarded. */
async function forward(table: string, priority: string, rules: readonly string[]): Promise<void> {
  const chain = `chain forward { type filter hook forward priority ${priority}; ${rules.join('; ')}; }`;
  await firewall.exec(['nft', `table inet ${table} { ${chain}; }`]);
}

/** In the network of a place of the chain. */
async function inside(place: string, argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await Program.run(undefined, chain.command(place, argv));
  if (code !== 0) throw new Error(`${argv.join(' ')}: exit code ${code}: ${stderr}`);
  return stdout;
}

/** Three echo requests of one sender, answered or not. */
const PING = `
import socket, sys
open('/proc/sys/net/ipv4/ping_group_range', 'w').write('0 0')
six = ':' in sys.argv[1]
ping = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM, 58 if six else 1)
ping.connect((sys.argv[1], 0))
ping.settimeout(0.2)
for sequence in range(3):
    ping.send(bytes([128 if six else 8, 0, 0, 0, 0, 0, 0, sequence]))
    try:
        ping.recv(100)
    except TimeoutError:
        pass
`;

/** A packet, its answer waited for. */
const ASK = (proto: string, address: string, port: number): string =>
  `exec 3<>/dev/${proto}/${address}/${port}; echo hello >&3; head -c 6 <&3; exec 3>&-`;
/** A connection that does not come about, given up after some retries. */
const FAIL = (address: string, port: number): string =>
  `timeout 4 bash -c 'exec 3<>/dev/tcp/${address}/${port}' 2> /dev/null || :`;
/** Three packets of a flow, whatever comes back. */
const THREE = (address: string, port: number): string =>
  `exec 3<>/dev/udp/${address}/${port}; for i in 1 2 3; do echo $i >&3 || :; sleep 0.05; done 2> /dev/null; exec 3>&-`;

const fromClient = (script: string): Promise<string> => inside('client', ['bash', '-c', script]);

async function counters(qube: Qube): Promise<Readonly<Record<string, number>>> {
  const { nftables } = JSON.parse(await shell(qube, 'nft -j list counters table inet netlog')) as {
    nftables: { counter?: { name: string; packets: number } }[];
  };
  return Object.fromEntries(nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])));
}

const about = (lines: readonly string[], ...words: readonly string[]): string[] =>
  lines.filter((line) => words.every((word) => line.includes(` ${word} `)));

test('a flow has one line with its prefix in each net qube on its way, by IPv4 and IPv6', async () => {
  for (const address of INTERNET) {
    for (const proto of ['tcp', 'udp']) expect(await fromClient(ASK(proto, address, 4000))).toBe('hello\n');
    await inside('client', ['python3', '-c', PING, address]);
  }
  for (const [qube, prefix] of [
    [firewall, PREFIX['sys-firewall']],
    [net, PREFIX['sys-net']],
  ] as const) {
    const lines = await messages(qube, `${prefix}:new IN=vif5.0 OUT=eth0 `);
    for (const proto of ['TCP', 'UDP']) expect(about(lines, `PROTO=${proto}`, 'DPT=4000')).toHaveLength(2);
    for (const proto of ['ICMP', 'ICMPv6']) expect(about(lines, `PROTO=${proto}`)).toHaveLength(1);
    expect(lines.join('\n')).not.toContain('UID=');
  }
});

test('each packet of DNS has a line, over UDP and TCP', async () => {
  const before = (await counters(firewall))['dns_seen'] ?? 0;
  for (const address of INTERNET) for (const proto of ['udp', 'tcp']) await fromClient(ASK(proto, address, 53));
  const lines = await messages(firewall, `${PREFIX['sys-firewall']}:dns IN=`);
  expect(about(lines, 'PROTO=UDP', 'DPT=53')).toHaveLength(2);
  expect(about(lines, 'PROTO=UDP', 'SPT=53')).toHaveLength(2);
  // Three packets of the handshake, the question and its acknowledgement, and the end: more than of UDP.
  expect(about(lines, 'PROTO=TCP', 'DPT=53').length).toBeGreaterThanOrEqual(8);
  expect(about(lines, 'PROTO=TCP', 'SPT=53').length).toBeGreaterThanOrEqual(4);
  expect((await counters(firewall))['dns_seen']).toBe(before + lines.length);
  expect(about(await messages(firewall, `${PREFIX['sys-firewall']}:new`), 'DPT=53')).toEqual([]);
});

test('a question to a resolver in the qube has a line, and nothing else that is for the qube itself', async () => {
  for (const port of [53, 53, 53, 4000]) await fromClient(`echo a > /dev/udp/10.138.0.10/${port}`);
  expect(about(await messages(firewall, `${PREFIX['sys-firewall']}:dns IN=vif5.0 OUT= `), 'DPT=53')).toHaveLength(3);
  expect(about(await messages(firewall, `${PREFIX['sys-firewall']}:new`), 'DST=10.138.0.10')).toEqual([]);
});

test("the qube's own flows have the user behind them, and stay below the console's level", async () => {
  for (const address of INTERNET) await firewall.exec(['bash', '-c', ASK('tcp', address, 4000)]);
  const lines = await messages(firewall, `${PREFIX['sys-firewall']}:new IN= OUT=eth0 `);
  expect(about(lines, 'UID=0', 'DPT=4000')).toHaveLength(2);
  const levels = await shell(
    firewall,
    `journalctl -q -o json --output-fields=PRIORITY,MESSAGE _TRANSPORT=kernel | grep ${PREFIX['sys-firewall']} | grep -vc '"PRIORITY":"7"' || :`,
  );
  expect(levels).toBe('0\n');
});

test('refused, or not answered: the document logs every retry, ours the flow', async () => {
  await forward('document', 'filter - 20', [`ct state new log prefix "${DOCUMENT}:new " level debug`]);
  const ports = { closed: 4004, silent: 4005, ...REFUSED };
  const flows = INTERNET.flatMap((address) => [
    ...Object.values(ports).map((port) => FAIL(address, port)),
    ...Object.values(ports).map((port) => THREE(address, port)),
  ]);
  // Side by side: each waits for some seconds.
  await fromClient(`${flows.map((flow) => `(${flow}) &`).join('\n')}\nwait`);
  for (const nobody of ['192.0.2.9', '2001:db8::9']) await inside('client', ['python3', '-c', PING, nobody]);
  const ours = await messages(firewall, `${PREFIX['sys-firewall']}:new IN=vif5.0`);
  const theirs = await messages(firewall, `${DOCUMENT}:new IN=vif5.0`);
  for (const port of Object.values(ports)) {
    for (const proto of ['TCP', 'UDP']) {
      for (const family of ['TTL=63', 'HOPLIMIT=63']) {
        const flow = [`PROTO=${proto}`, `DPT=${port}`, family];
        expect([flow, about(ours, ...flow).length]).toEqual([flow, 1]);
      }
    }
  }
  for (const nobody of ['DST=192.0.2.9', 'DST=2001:0db8:0000:0000:0000:0000:0000:0009']) {
    expect(about(ours, nobody)).toHaveLength(1);
    expect(about(theirs, nobody)).toHaveLength(3);
  }
  for (const port of [ports.silent, ports.dropped]) {
    expect(about(theirs, 'PROTO=TCP', `DPT=${port}`).length).toBeGreaterThan(2);
    expect(about(theirs, 'PROTO=UDP', `DPT=${port}`)).toHaveLength(6);
  }
  await shell(firewall, 'nft delete table inet document');
});

/** Flows from one UDP port to ever further ones, 5,000 and then until SIGTERM, at most 20,000; says how many. */
const FLOOD = `
  const udp = require('dgram').createSocket('udp4');
  let sent = 0, told = false;
  process.on('SIGTERM', () => { told = true; });
  udp.bind(0, () => {
    const batch = setInterval(() => {
      if ((told && sent >= 5000) || sent === 20000) { clearInterval(batch); udp.close(() => console.log(sent)); return; }
      for (let i = 0; i < 100; i++) udp.send('a', 10000 + sent++, '${INTERNET[0]}');
    }, 20);
  });`;

test("the document's limit hides the others behind a flood, ours does not, and counts what it leaves out", async () => {
  const limited = `ct state new limit rate 10/second log prefix "${DOCUMENT}:limit " level debug`;
  await forward('document', 'filter - 20', [limited]);
  // Of another interface: the internet has a way to the client.
  await inside('sys-net', ['ip', 'route', 'add', `${CLIENT[0]}/32`, 'via', '10.137.0.11']);
  await inside('internet', ['ip', 'route', 'add', `${CLIENT[0]}/32`, 'via', '10.137.0.12']);
  await shell(firewall, SCRIPT.rw);
  const flood = new Program(undefined, chain.command('client', [process.execPath, '-e', FLOOD]));
  await expect.poll(async () => (await counters(firewall))['new_seen']).toBeGreaterThan(500);
  for (let port = 6000; port < 6005; port++)
    await inside('internet', ['bash', '-c', `echo a > /dev/udp/${CLIENT[0]}/${port}`]);
  expect(flood.stdout).toBe(''); // it goes on
  flood.signal('SIGTERM');
  await flood.exit();
  const sent = Number(flood.stdout);
  expect(sent).toBeGreaterThanOrEqual(5000);

  const ours = await messages(firewall, `${PREFIX['sys-firewall']}:new`);
  const theirs = await messages(firewall, `${DOCUMENT}:limit`);
  for (let port = 6000; port < 6005; port++) expect(about(ours, 'IN=eth0', `DPT=${port}`)).toHaveLength(1);
  expect(theirs.filter((line) => line.includes('IN=eth0 ')).length).toBeLessThan(5);
  const { new_seen, new_logged } = await counters(firewall);
  expect(new_seen).toBe(sent + 5);
  const flooded = ours.filter((line) => /DPT=[12]\d{4} /.test(line));
  expect(new_logged).toBe(flooded.length + 5);
  expect(flooded.length).toBeLessThan(sent / 2);
  await shell(firewall, 'nft delete table inet document');
});

test('a set of known flows that is full hides no flow', async () => {
  await shell(firewall, `sed 's/size 16384/size 4/' ${SCRIPT.rw} > /tmp/small; chmod 0755 /tmp/small; /tmp/small`);
  await fromClient(`for port in {7000..7019}; do echo a > /dev/udp/${INTERNET[0]}/$port; done`);
  const lines = await messages(firewall, `${PREFIX['sys-firewall']}:new IN=vif5.0`);
  expect(lines.filter((line) => / DPT=70[01]\d /.test(line))).toHaveLength(20);
});

test('loaded again and again it is the same, and what is wrong leaves it as it was', async () => {
  const table = (): Promise<string> => shell(firewall, 'nft -s list table inet netlog');
  await shell(firewall, SCRIPT.rw);
  const once = await table();
  await shell(firewall, `for i in 1 2 3 4; do ${SCRIPT.rw} & done; wait; nft reset counters > /dev/null`);
  expect(await table()).toBe(once);
  await shell(firewall, `sed 's|50/second|50/fortnight|' ${SCRIPT.rw} > /tmp/wrong; chmod 0755 /tmp/wrong`);
  expect(await firewall.run(['/tmp/wrong'])).toMatchObject({ code: 1, stderr: expect.stringContaining('not loaded') });
  expect(await table()).toBe(once);
});

test("on a full disk the user's script stays as it is", async () => {
  const full = `cp -a /rw/config /tmp/config; mount -t tmpfs -o size=256k tmpfs /rw/config; cp -a /tmp/config/. /rw/config
    dd if=/dev/zero of=/rw/config/all bs=4k 2> /dev/null || :; before=$(sha256sum < ${USER_SCRIPT})
    ${RC} --wait 2> /dev/null || echo failed
    [ "$before" = "$(sha256sum < ${USER_SCRIPT})" ] && echo same; ls /rw/config | grep new || :; umount /rw/config`;
  expect(await shell(firewall, full)).toBe('failed\nsame\n');
});

test("neither Qubes' reloads nor who flushes its chains take it away; a flush of everything does until the service's restart", async () => {
  await shell(
    firewall,
    `nft 'table ip qubes { chain custom-forward { }; chain dnat-dns { }; }'; nft flush chain ip qubes custom-forward
    nft delete table inet qubes-firewall; nft delete table ip qubes`,
  );
  for (const qube of [firewall, net]) {
    const loaded = (): Promise<string> => shell(qube, 'nft list tables | grep -c "inet netlog$" || :');
    expect(await loaded()).toBe('1\n');
    await qube.exec(['nft', 'flush', 'ruleset']);
    expect(await loaded()).toBe('0\n');
    await qube.exec(['systemctl', 'restart', 'qubes-firewall.service']);
    expect(await loaded()).toBe('1\n');
  }
});

test('without a prefix it says so, without its service it does nothing, and the user’s own rules are loaded all the same', async () => {
  const run = (qube: Qube, script: string): Promise<unknown> => qube.run(['sh', '-c', `nft flush ruleset; ${script}`]);
  firewall.set('/vm-config/netlog-prefix', 'sys" level emerg #');
  expect(await run(firewall, SCRIPT.rw)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no word in capitals'),
  });
  expect(await run(firewall, USER_SCRIPT)).toMatchObject({ code: 0, stderr: expect.stringContaining('not loaded') });
  expect(await shell(firewall, 'nft list tables')).toBe('table inet users\n');
  await net.exec(['rm', '/run/qubes-service/netlog']);
  expect(await run(net, SCRIPT.template)).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await shell(net, 'nft list tables')).toBe('');
});
