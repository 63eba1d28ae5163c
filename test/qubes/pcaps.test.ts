// netlog-pcaps in a booted qube that captures: what goes into an archive, what is said of it, and what is deleted after it
// was taken. tar, tsnetpcap verify and the ledger judge.
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PROGRAM } from '../program.ts';
import { QubesLab } from './lab.ts';
import type { Qube } from './qube.ts';

const FILES = fileURLToPath(new URL('../../deploy/qubes/files/', import.meta.url));
const SERVICES = '/usr/local/etc/qubes-rpc';
const DIRECTORY = '/var/log/netpcap';
const ID = ['20261124T033500Z', '20261125T033500Z', '20261126T033500Z'] as const;

let lab: QubesLab;
let qube: Qube;

beforeAll(async () => {
  lab = await QubesLab.create([{ name: 'sys-dns' }]);
  qube = lab.qube('sys-dns');
  const install = `mkdir -p ${SERVICES} ${DIRECTORY}
    cp ${FILES}capture/netlog-pcaps /usr/local/bin; cp ${FILES}source/netlog.* ${SERVICES}
    printf '#!/bin/sh\nexec ${process.execPath} ${PROGRAM} "$@"\n' > /usr/local/bin/tsnetpcap; chmod 0755 /usr/local/bin/*
    ip link set lo up`;
  await qube.exec(['sh', '-ec', install]);
});

afterAll(() => lab?.remove());

const shell = (script: string): Promise<string> => qube.exec(['bash', '-ec', script]);
const complete = async (): Promise<string[]> => lines(await shell(`cd ${DIRECTORY}; ls *.pcap`));
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** Some savefiles more. */
async function capture(): Promise<void> {
  await shell(`(for i in $(seq 30); do echo a > /dev/udp/127.0.0.1/9 || :; sleep 0.1; done) 2> /dev/null &
    chown user:user ${DIRECTORY}; setpriv --reuid user --regid user --init-groups --inh-caps +net_raw --ambient-caps +net_raw \\
      tsnetpcap -i lo -w '${DIRECTORY}/pcap-%Y%m%d%H%M%S.pcap' --rotate 1 --ring 48 --duration 3 2> /dev/null`);
}

const archive = async (id: string): Promise<string[]> =>
  lines(await shell(`${SERVICES}/netlog.Export pcaps ${id} 0 1 > /tmp/${id}.tgz; tar -tzf /tmp/${id}.tgz`));
const facts = async (id: string): Promise<Readonly<Record<string, string>>> =>
  Object.fromEntries(
    lines(await shell(`${SERVICES}/netlog.Export facts pcaps ${id}`)).map((line) => line.split('=', 2)),
  );

test('a savefile is taken once, told of, and deleted when it is safe and old', async () => {
  await capture();
  const first = await complete();
  expect(first.length).toBeGreaterThan(2);
  await shell(`touch ${DIRECTORY}/pcap-20261124000000.pcap.part; ln -s /etc/passwd ${DIRECTORY}/pcap-20261124000001.pcap
    mkdir ${DIRECTORY}/pcap-20261124000002.pcap`);
  expect(await archive(ID[0])).toEqual(first.map((name) => `netpcap/${name}`));
  await shell(`rm -r ${DIRECTORY}/pcap-202611240000*`);
  await shell(`mkdir /tmp/whole; tar -xzf /tmp/${ID[0]}.tgz -C /tmp/whole; cd ${DIRECTORY}
    for file in *.pcap; do cmp "$file" "/tmp/whole/netpcap/$file"; done`);

  const said = await facts(ID[0]);
  const counted = Number(await shell(`cd ${DIRECTORY}; for f in *.pcap; do tcpdump -nr $f 2> /dev/null; done | wc -l`));
  expect(counted).toBeGreaterThan(0);
  const bytes = Number(await shell(`cat ${DIRECTORY}/*.pcap | wc -c`));
  expect(said).toMatchObject({
    files: String(first.length),
    packets: String(counted),
    bytes: String(bytes),
    dropped: '0',
  });
  expect(await shell(`tsnetpcap verify --head ${said['ledger_head']} ${DIRECTORY}`)).toContain('head ');

  // What was not released is sent again, and afterwards only what is new.
  expect((await archive(ID[0])).length).toBe(first.length);
  await shell(`${SERVICES}/netlog.Release pcaps ${ID[0]} 2`);
  expect(await complete()).toEqual(first);
  await capture();
  const fresh = (await complete()).filter((name) => !first.includes(name));
  expect(await archive(ID[1])).toEqual(fresh.map((name) => `netpcap/${name}`));
  expect(await facts(ID[1])).toMatchObject({ files: String(fresh.length) });

  // Old, and in the vault; old, and not: only the first is deleted, and the ledger says why.
  const [old = '', ...others] = first;
  await shell(`cd ${DIRECTORY}; touch -d '3 days ago' ${old} ${fresh[0]}`);
  await shell(`${SERVICES}/netlog.Release pcaps ${ID[2]} 2`);
  expect(await complete()).toEqual([...others, ...fresh].sort());
  await shell(`${SERVICES}/netlog.Release pcaps ${ID[1]} 2`);
  expect(await complete()).toEqual([...others, ...fresh.slice(1)].sort());
  await capture();
  expect(await shell(`tsnetpcap verify ${DIRECTORY} | tail -n 1`)).toMatch(/: (\d+) of \1 complete savefiles/);
  expect(await shell(`grep -c '"reason":"released"' ${DIRECTORY}/pcap.ledger.jsonl`)).toBe('2\n');
});

test('no savefile is an archive of none, and not nothing', async () => {
  await shell(`rm -rf ${DIRECTORY}/*`);
  expect(await archive(ID[2])).toEqual([]);
  expect(await facts(ID[2])).toMatchObject({ files: '0', packets: '0' });
  expect(await shell(`ls -A ${DIRECTORY}`)).toBe('');
});

test('with a recipient nothing leaves the qube in plain text', async () => {
  await capture();
  const names = (await complete()).map((name) => `netpcap/${name}`);
  await shell(`age-keygen -o /tmp/key 2> /dev/null
    ${SERVICES}/netlog.Export pcaps ${ID[0]} 0 1 "$(age-keygen -y /tmp/key)" > /tmp/encrypted`);
  expect(lines(await shell('age --decrypt --identity /tmp/key /tmp/encrypted | tar -tz'))).toEqual(names);
  expect(await shell('head -c 21 /tmp/encrypted')).toBe('age-encryption.org/v1');
  const refused = await qube.run(['sh', '-c', `${SERVICES}/netlog.Export pcaps ${ID[0]} 0 1 age1wrong`]);
  expect(refused).toMatchObject({ stdout: '', stderr: expect.stringContaining('age1wrong') });
  expect(refused.code).not.toBe(0);
});

test('an archive that tar could not read to its end is an error', async () => {
  await shell(`printf '#!/bin/sh\\n/usr/bin/tar "$@"\\nexit 2\\n' > /usr/local/bin/tar; chmod 0755 /usr/local/bin/tar`);
  const ended = await qube.run([
    'sh',
    '-c',
    `${SERVICES}/netlog.Export pcaps ${ID[0]} 0 1 | wc -c; ${SERVICES}/netlog.Export pcaps ${ID[0]} 0 1 > /tmp/broken`,
  ]);
  await shell('rm /usr/local/bin/tar');
  expect(ended.code).toBe(2);
  expect(Number(ended.stdout)).toBeGreaterThan(0);
});

test('a link that who captures puts in the place of the export writes nothing of root’s elsewhere', async () => {
  // In the moment after mkdir: what the export runs then.
  await shell(`mkdir -p /tmp/elsewhere/netpcap; chown -R user:user ${DIRECTORY}
    printf '#!/bin/sh\\n/usr/bin/mkdir "$@" && case "$*" in *.export*)
      setpriv --reuid user --regid user --clear-groups sh -c "mv ${DIRECTORY}/.export ${DIRECTORY}/gone; ln -s /tmp/elsewhere ${DIRECTORY}/.export";; esac\\n' > /usr/local/bin/mkdir
    chmod 0755 /usr/local/bin/mkdir; ${SERVICES}/netlog.Export pcaps ${ID[0]} 0 1 > /dev/null || :; rm -r /usr/local/bin/mkdir ${DIRECTORY}/gone`);
  const written = lines(await shell('find /tmp/elsewhere -type f'));
  expect(written.filter((path) => !/^\/tmp\/elsewhere\/netpcap\/pcap-\d+\.pcap$/.test(path))).toEqual([]);
});

test('what is wrong is an error', async () => {
  for (const words of ['pcaps', 'facts pcaps ../../x', 'facts other 1', 'pcaps ../../x 0 1', 'other 1 2 3'])
    expect(await qube.run(['sh', '-c', `${SERVICES}/netlog.Export ${words}`])).toMatchObject({ code: 2, stdout: '' });
});
