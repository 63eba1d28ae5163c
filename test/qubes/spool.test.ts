// netlog-spool in booted qubes with packets that are logged: sys-net in the form rw, whose journal is gone with it, and a qube
// of a template with our files that keeps its journal. What is kept over a kill, what is torn, too much or has no room, and
// that `lines` gives each line once and whole. journalctl judges. All qubes share the kernel's log, and at its start a qube
// has all of it once more, with that start's boot id: lines of a start are told by that.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Program } from '../program.ts';
import { Chain, INTERNET } from './chain.ts';
import { logFromNamespaces, ownPrefix, settle } from './kernel-log.ts';
import { QubesLab } from './lab.ts';
import { putFiles, templateFiles } from './netlog-files.ts';
import type { Qube } from './qube.ts';

const PREFIX = ownPrefix('S');
const DIRECTORY = '/var/log/netlog';
const SPOOL = '/usr/local/bin/netlog-spool';
const RC = '/rw/config/rc.local.d/50-netlog.rc';

interface Line {
  readonly __CURSOR: string;
  readonly __REALTIME_TIMESTAMP: string;
  readonly _BOOT_ID: string;
  readonly _HOSTNAME: string;
  readonly MESSAGE: string;
}

let chain: Chain;
let lab: QubesLab;
let net: Qube;
let kept: Qube;
let restoreSwitch: (() => void) | undefined;
const scratch = mkdtempSync(join(tmpdir(), 'tsnetpcap-spool-'));

beforeAll(async () => {
  restoreSwitch = logFromNamespaces();
  chain = new Chain(['sys-net']);
  const services = ['qubes-firewall', 'netlog'];
  const database = { '/vm-config/netlog-prefix': PREFIX };
  for (const name of ['journal', 'template']) mkdirSync(join(scratch, name));
  writeFileSync(join(scratch, 'machine-id'), '0123456789abcdef0123456789abcdef\n');
  lab = await QubesLab.create([
    { name: 'sys-net', network: chain.namespace('sys-net'), services, database },
    {
      name: 'kept',
      services,
      database,
      nspawn: [
        `--bind=${scratch}/journal:/var/log/journal`,
        `--bind-ro=${scratch}/machine-id:/etc/machine-id`,
        `--bind=${scratch}/template:${DIRECTORY}`, // as `activate` has made it
        ...templateFiles(['nftlog']),
      ],
    },
  ]);
  net = lab.qube('sys-net');
  kept = lab.qube('kept');
  putFiles(net, ['source', 'nftlog']);
  await net.exec([RC, '--wait']);
  await kept.exec(['systemctl', 'start', 'netlog-spool.service']);
  // Packets that nobody answers: the tests are about the log.
  await inside('internet', [
    'nft',
    'table inet silent { chain input { type filter hook input priority filter; policy drop; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; }; }',
  ]);
});

afterAll(async () => {
  await lab?.remove();
  chain?.remove();
  restoreSwitch?.();
  rmSync(scratch, { recursive: true });
});

async function inside(place: string, argv: readonly string[]): Promise<void> {
  expect(await Program.run(undefined, chain.command(place, argv))).toMatchObject({ code: 0 });
}

const shell = (qube: Qube, script: string): Promise<string> => qube.exec(['bash', '-ec', script]);
const restart = (qube: Qube): Promise<string> => qube.exec(['systemctl', 'restart', 'netlog-spool.service']);

/** UDP packets of new flows to these ports, by IPv4 and IPv6 in turn; what does not answer has one line each. */
async function send(first: number, count: number): Promise<void> {
  const script = `for ((i = 0; i < ${count}; i++)); do
    if ((i % 2)); then to=${INTERNET[0]}; else to=${INTERNET[1]}; fi
    echo a > /dev/udp/$to/$((${first} + i)); done`;
  await inside('client', ['bash', '-ec', script]);
}

/** Of our prefix. */
const parse = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Line => JSON.parse(line))
    .filter(({ MESSAGE }) => MESSAGE.startsWith(`${PREFIX}:new IN=`));

const lines = async (qube: Qube, since = 0, until = 99_999_999_999): Promise<Line[]> =>
  parse(await qube.exec(['netlog-spool', 'lines', `${since}`, `${until}`]));
const spooled = async (qube: Qube): Promise<Line[]> => parse(await shell(qube, `cat ${DIRECTORY}/*.jsonl`));
const journal = async (qube: Qube, ...args: readonly string[]): Promise<Line[]> =>
  parse(await qube.exec(['journalctl', '-q', '--no-pager', '-o', 'json', '_TRANSPORT=kernel', ...args]));
const bootId = async (qube: Qube): Promise<string> =>
  (await qube.exec(['cat', '/proc/sys/kernel/random/boot_id'])).trim().replaceAll('-', '');

/** The ports of lines of one boot, in their order; without `boot`, of all. */
const ports = (all: readonly Line[], boot?: string): number[] =>
  all
    .filter(({ _BOOT_ID }) => boot === undefined || _BOOT_ID === boot)
    .map(({ MESSAGE }) => Number(/ DPT=(\d+) /.exec(MESSAGE)?.[1]));
const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, index) => first + index);
const within = (all: readonly number[], first: number, count: number): number[] =>
  all.filter((port) => port >= first && port < first + count);

/** The spool has all that the journal has up to now. */
async function copied(qube: Qube): Promise<void> {
  await settle(qube);
  const boot = await bootId(qube);
  const all = ports(await journal(qube), boot).length;
  await expect.poll(async () => new Set(ports(await spooled(qube), boot)).size, { timeout: 20_000 }).toBe(all);
}

test('lines of the packets are copied as the journal has them, other lines of the kernel are not', async () => {
  await send(10_000, 40);
  writeFileSync('/dev/kmsg', `<7>${PREFIX}:other IN=eth0\n`);
  await copied(net);
  const all = await spooled(net);
  expect(ports(all)).toEqual(range(10_000, 40));
  expect(await shell(net, `cat ${DIRECTORY}/*`)).not.toContain(`${PREFIX}:other`);
  const judge = new Map((await journal(net)).map((line) => [line.__CURSOR, line]));
  for (const { __CURSOR, MESSAGE, _HOSTNAME, __REALTIME_TIMESTAMP } of all)
    expect(judge.get(__CURSOR)).toMatchObject({ MESSAGE, _HOSTNAME, __REALTIME_TIMESTAMP });
  expect(await lines(net)).toEqual(all);
  expect((await shell(net, `stat -c '%a %U' ${DIRECTORY} ${DIRECTORY}/*`)).trim().split('\n')).toEqual([
    '700 root',
    '600 root',
  ]);
  expect(await shell(net, `ls ${DIRECTORY}`)).toMatch(/^00000001-\d{8}T\d\d\.jsonl\n$/);
});

test('the backup gets them, and the counters of the rules', async () => {
  const call = '/usr/local/etc/qubes-rpc/netlog.Export';
  const bundle = await shell(net, `${call} nft 20261124T033500Z 0 99999999999 | gzip -cd | grep ${PREFIX}`);
  expect(bundle.trim().split('\n')).toHaveLength(40);
  expect(bundle).toMatch(new RegExp(`^\\d{4}-\\d\\d-\\d\\dT\\S+ sys-net kernel: ${PREFIX}:new IN=vif5.0 OUT=eth0 `));
  const facts = await shell(net, `${call} facts nft 20261124T033500Z`);
  expect(facts).toContain('\nnew_seen=40\n');
  expect(facts).toContain('\nnew_logged=40\n');
});

test('the service has no capability, and its own directory alone to write to', async () => {
  const pid = (await net.exec(['systemctl', 'show', '-P', 'MainPID', 'netlog-spool'])).trim();
  expect(await net.exec(['grep', 'Cap', `/proc/${pid}/status`])).toMatch(/^(Cap\w+:\t0+\n){5}$/);
  const enter = ['nsenter', '-t', pid, '-m', 'sh', '-c'];
  expect(await net.run([...enter, 'stat -c %a /rw'])).toMatchObject({ stdout: '0\n' });
  expect(
    await net.run([...enter, `echo > /etc/a || echo > /run/a || echo > /var/log/a || echo > /usr/local/a`]),
  ).toMatchObject({ code: 2 });
  expect(await net.run([...enter, `touch ${DIRECTORY}/a && rm ${DIRECTORY}/a`])).toMatchObject({ code: 0 });
});

test('an interval has its lines to the microsecond, the end left out', async () => {
  const all = await spooled(net);
  const seconds = (line: Line | undefined): number => Math.floor(Number(line?.__REALTIME_TIMESTAMP) / 1e6);
  const since = seconds(all[0]);
  const inOneSecond = all.filter((line) => seconds(line) === since);
  expect(await lines(net, since, since + 1)).toEqual(inOneSecond);
  expect(await lines(net, since - 100, since)).toEqual([]);
  expect(await lines(net, since + 1)).toEqual(all.slice(inOneSecond.length));
  for (const args of [[], ['lines'], ['lines', '1', '2x'], ['lines', '-1', '2'], ['follow'], ['follow', 'x']])
    expect(await net.run([SPOOL, ...args])).toMatchObject({ code: 2, stdout: '' });
});

test('what the document asks for is gone with the boot, ours is not: killed and started, with and without its journal', async () => {
  for (const qube of [net, kept]) {
    await copied(qube);
    const boot = await bootId(qube);
    const before = await spooled(qube);
    expect(ports(before, boot)).toEqual(range(10_000, 40));
    await qube.kill();
    await qube.start();
    if (qube === kept) await qube.exec(['systemctl', 'start', 'netlog-spool.service']);
    await expect
      .poll(() => qube.run(['systemctl', 'is-active', 'netlog-spool']), { timeout: 20_000 })
      .toMatchObject({ code: 0 });
    await copied(qube);
    expect(await bootId(qube)).not.toBe(boot);
    const document = parse(
      await qube.exec(['journalctl', '-q', '--no-pager', '-o', 'json', '-k', '--since', 'yesterday']),
    );
    expect(ports(document, boot)).toEqual([]);
    expect(ports(await journal(qube, '--since=yesterday'), boot)).toEqual(qube === kept ? range(10_000, 40) : []);
    expect((await lines(qube)).filter(({ _BOOT_ID }) => _BOOT_ID === boot)).toEqual(before);
  }
});

test('killed again and again while lines come, none is lost and none is there twice', async () => {
  const boot = await bootId(net);
  const sending = send(11_000, 150);
  for (let i = 0; i < 4; i++) {
    await net.exec(['systemctl', 'kill', '--signal=KILL', 'netlog-spool.service']);
    await net.exec(['systemctl', 'reset-failed', 'netlog-spool.service']);
    await restart(net);
  }
  await sending;
  await copied(net);
  expect(within(ports(await spooled(net), boot), 11_000, 150)).toEqual(range(11_000, 150));
  expect(within(ports(await lines(net), boot), 11_000, 150)).toEqual(range(11_000, 150));
});

test('a torn line is never given out, and comes again from the journal', async () => {
  const boot = await bootId(net);
  await net.exec(['systemctl', 'stop', 'netlog-spool.service']);
  const files = `$(ls ${DIRECTORY}/*.jsonl | tail -n 1)`;
  const whole = (await spooled(net)).length;
  await shell(net, `truncate -s -20 ${files}`);
  expect(within(ports(await lines(net), boot), 11_000, 150)).toEqual(range(11_000, 150));
  // As a file system leaves it that had the length but not the bytes.
  await shell(net, `printf '\\0\\0\\0\\0' >> ${files}`);
  expect(within(ports(await lines(net), boot), 11_000, 150)).toEqual(range(11_000, 150));
  await net.exec(['systemctl', 'start', 'netlog-spool.service']);
  await copied(net);
  expect(await spooled(net)).toHaveLength(whole);
  expect(within(ports(await spooled(net), boot), 11_000, 150)).toEqual(range(11_000, 150));
});

test('lines that journald moves from /run to /var, and its restart, are no lines more', async () => {
  const boot = await bootId(net);
  const sent = [...range(11_000, 150), ...range(11_500, 30)];
  await net.exec(['systemctl', 'restart', 'systemd-journald.service']);
  await send(11_500, 10);
  await copied(net);
  // Made behind the back of the journalctl that runs, which does not watch it: after a silence another one does.
  await shell(net, `sed -i 's/SILENCE_SECONDS=[0-9]*/SILENCE_SECONDS=2/' ${SPOOL}`);
  await restart(net);
  await shell(net, 'mkdir -p /var/log/journal; journalctl --flush');
  await send(11_510, 10);
  await copied(net);
  await send(11_520, 10);
  await copied(net);
  expect(within(ports(await spooled(net), boot), 11_000, 1000)).toEqual(sent);
  expect(within(ports(await lines(net), boot), 11_000, 1000)).toEqual(sent);
  expect(await shell(net, 'pgrep -c journalctl')).toBe('1\n');
});

test('a full disk is told once, what it can not hold waits in the journal, and is copied when there is room', async () => {
  const boot = await bootId(net);
  await net.exec(['systemctl', 'stop', 'netlog-spool.service']);
  await shell(
    net,
    `mount -t tmpfs -o size=32k,mode=0700 small ${DIRECTORY}; head -c 16k /dev/zero > ${DIRECTORY}/filler`,
  );
  await net.exec(['systemctl', 'start', 'netlog-spool.service']);
  const said = async (): Promise<string[]> =>
    (await net.exec(['journalctl', '-q', '-o', 'cat', '-u', 'netlog-spool', '-t', 'netlog-spool']))
      .split('\n')
      .filter((line) => line.includes(' takes '));
  await expect.poll(said, { timeout: 20_000 }).toHaveLength(1);
  await send(12_000, 20);
  await settle(net);
  expect(await shell(net, `tail -c 1 ${DIRECTORY}/*.jsonl | od -An -c`)).toContain('\\n');
  expect(within(ports(await lines(net), boot), 12_000, 20)).toEqual(range(12_000, 20));
  await shell(net, `mount -o remount,size=4m ${DIRECTORY}`);
  await copied(net);
  expect(await said()).toHaveLength(2);
  const all = await journal(net);
  expect(ports(await spooled(net), boot)).toEqual(ports(all, boot));
  await net.exec(['systemctl', 'stop', 'netlog-spool.service']);
  await net.exec(['umount', DIRECTORY]);
  await net.exec(['systemctl', 'start', 'netlog-spool.service']);
  await copied(net);
});

test('where the journal does not have what was copied last, all that came after it is copied', async () => {
  await net.exec(['systemctl', 'stop', 'netlog-spool.service']);
  await shell(net, 'journalctl --rotate; journalctl --vacuum-size=1');
  expect(await journal(net)).toEqual([]);
  await send(12_500, 10);
  await settle(net);
  // A line just before the first of these.
  const cursor = (await journal(net))[0]?.__CURSOR.replace(
    /;m=(\w+)/,
    (_, m) => `;m=${(Number.parseInt(m, 16) - 1).toString(16)}`,
  );
  const gone = cursor?.replace(/^s=\w+;i=\w+/, `s=${'0'.repeat(32)};i=1`).replace(/x=\w+$/, 'x=1');
  await shell(net, `sed -Ei '$s/("__CURSOR":")[^"]*/\\1${gone}/' $(ls ${DIRECTORY}/*.jsonl | tail -n 1)`);
  await net.exec(['systemctl', 'start', 'netlog-spool.service']);
  const copies = async (): Promise<number[]> => within(ports(await spooled(net)), 12_500, 10);
  await expect.poll(async () => (await copies()).at(-1), { timeout: 20_000 }).toBe(12_509);
  expect(await copies()).toEqual(range(12_500, 10));
  expect(within(ports(await lines(net), await bootId(net)), 11_500, 1000)).toEqual([
    ...range(11_500, 30),
    ...range(12_000, 20),
  ]);
});

test('files are by the hour, bounded in bytes and age, and the oldest go', async () => {
  const bounds = 's/MAX_BYTES=[0-9]*/MAX_BYTES=40000/; s/FILE_BYTES=[0-9]*/FILE_BYTES=8000/';
  const list = async (): Promise<string[]> => (await shell(net, `ls ${DIRECTORY}`)).trim().split('\n');
  const [first = ''] = await list();
  await net.exec(['systemctl', 'stop', 'netlog-spool.service']);
  await shell(net, `touch -d '8 days ago' ${DIRECTORY}/${first}; cp ${SPOOL} /tmp/whole; sed -i '${bounds}' ${SPOOL}`);
  await net.exec(['systemctl', 'start', 'netlog-spool.service']);
  await send(13_000, 150);
  await settle(net);
  await expect.poll(async () => ports(await spooled(net)).at(-1), { timeout: 20_000 }).toBe(13_149);
  expect(await list()).not.toContain(first);
  expect(Number(await shell(net, `cat ${DIRECTORY}/* | wc -c`))).toBeLessThanOrEqual(40_000);
  const left = within(ports(await spooled(net)), 13_000, 150);
  expect(left.length).toBeGreaterThan(40);
  expect(left).toEqual(range(13_150 - left.length, left.length));
  // The hour has changed since the last line.
  const last = (await list()).at(-1) ?? '';
  const number = Number(last.slice(0, 8));
  await net.exec(['systemctl', 'stop', 'netlog-spool.service']);
  await shell(
    net,
    `cp /tmp/whole ${SPOOL}; mv ${DIRECTORY}/${last} ${DIRECTORY}/${last.slice(0, 8)}-20200101T00.jsonl`,
  );
  await net.exec(['systemctl', 'start', 'netlog-spool.service']);
  await send(13_200, 2);
  const name = new RegExp(`^${`${number + 1}`.padStart(8, '0')}-20[2-9]\\d{5}T\\d\\d\\.jsonl$`);
  await expect.poll(async () => (await list()).at(-1), { timeout: 20_000 }).toMatch(name);
});
