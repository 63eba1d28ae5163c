// netlog-lines in a booted qube with rules that log: what of the kernel's journal goes into a bundle, judged by journalctl.
// Where the lines are kept over a qube's end is netlog-spool's, which a line of shell stands in for here.
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { QubesLab } from './lab.ts';
import type { Qube } from './qube.ts';

const FILES = fileURLToPath(new URL('../../deploy/qubes/files/', import.meta.url));
const EXPORT = '/usr/local/etc/qubes-rpc/netlog.Export';
const ID = '20261124T033500Z';
/** Of this run: all qubes and all runs share one kernel log. */
const PREFIX = `T${randomBytes(4).toString('hex').toUpperCase()}`;
const GREP = `_TRANSPORT=kernel --grep='^${PREFIX}:(new|dns) IN='`;

let lab: QubesLab;
let qube: Qube;

beforeAll(async () => {
  lab = await QubesLab.create([{ name: 'sys-net' }]);
  qube = lab.qube('sys-net');
  await shell(`mkdir -p /usr/local/etc/qubes-rpc; cp ${FILES}nftlog/netlog-lines /usr/local/bin
    cp ${FILES}source/netlog.* /usr/local/etc/qubes-rpc
    cat > /usr/local/bin/netlog-spool <<'SPOOL'
#!/bin/sh
journalctl -q --no-pager -o json --since "@$2" --until "@$3" ${GREP}
SPOOL
    chmod 0755 /usr/local/bin/*`);
});

afterAll(() => lab?.remove());

const shell = (script: string): Promise<string> => qube.exec(['bash', '-ec', script]);
const facts = async (): Promise<string[]> => (await shell(`${EXPORT} facts nft ${ID}`)).split('\n').slice(0, -1);

test('lines are as journalctl has them, counted, and with the counters of the rules', async () => {
  const since = Number(await shell('date +%s')) - 60;
  await shell(`nft 'table inet netlog { counter new_seen { packets 7 bytes 8 }; counter dns_seen { }; }'
    for n in 1 2 3; do echo "<7>${PREFIX}:new IN=vif5.0 OUT=eth0 SRC=10.137.0.10 ID=$n " > /dev/kmsg; done
    echo "<7>${PREFIX}:other IN=" > /dev/kmsg; echo "<7>another line" > /dev/kmsg`);
  const judge = `journalctl -q --no-pager -o short-iso-precise --since @${since} ${GREP}`;
  await expect.poll(async () => (await shell(judge)).split('\n').length).toBe(4);
  const until = Number(await shell('date +%s')) + 60;
  const bundle = await shell(`${EXPORT} nft ${ID} ${since} ${until} | gzip -cd`);
  // journalctl has no name for what a process has written there.
  expect(bundle).toBe((await shell(judge)).replaceAll(' unknown: ', ' kernel: '));
  const said = await facts();
  expect(said).toContain('lines=3');
  expect(said).toContain('new_seen=7');
  expect(said).toContain('dns_seen=0');
});

test('no lines are a gzip of none; no table is told', async () => {
  await shell('nft delete table inet netlog');
  expect(await shell(`${EXPORT} nft ${ID} 1 2 | gzip -cd`)).toBe('');
  expect(await facts()).toEqual(['lines=0', 'first=', 'last=', 'table=missing']);
});

test('where the lines can not be had, the export fails', async () => {
  await shell('printf "#!/bin/sh\nexit 4\n" > /usr/local/bin/netlog-spool');
  expect(await qube.run(['sh', '-c', `${EXPORT} nft ${ID} 1 2 > /dev/null`])).toMatchObject({ code: 4 });
});
