// What the document does in the qubes that capture and in dom0, run as it says and seen to fail, and then ours: tcpdump with
// -W as a ring, the name of a TLS server within 96 bytes, the ranges of qubes that it leaves out, and its quick verify as a
// plain user.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { QUBE_RANGES } from '../../src/netlog/state/settings.ts';
import { PROGRAM } from '../program.ts';
import { QubesLab } from './lab.ts';
import type { Qube } from './qube.ts';

const NAME = 'a-server-that-is-named.example';

let lab: QubesLab;
let qube: Qube;

beforeAll(async () => {
  lab = await QubesLab.create([{ name: 'sys-dns' }]);
  qube = lab.qube('sys-dns');
  await qube.exec(['ip', 'link', 'set', 'lo', 'up']);
});

afterAll(() => lab?.remove());

const shell = (script: string): Promise<string> => qube.exec(['bash', '-ec', script]);
const ours = `${process.execPath} ${PROGRAM}`;
const PACKETS = 'while :; do echo a > /dev/udp/127.0.0.1/9 || :; sleep 0.05; done 2> /dev/null & packets=$!';

test('tcpdump -W ends the capture after its last file, --ring goes on with the last ones', async () => {
  // -G 3600 -W 48 -s 96 of the document, an hour being a second and 48 being 2.
  const document = `mkdir /tmp/document; ${PACKETS}
    timeout 20 tcpdump -Z root -i lo -s 96 -G 1 -W 2 -w '/tmp/document/pcap-%Y%m%d%H%M%S.pcap' 2> /dev/null; status=$?
    kill $packets; echo $status; ls /tmp/document | wc -l`;
  expect(await shell(document)).toBe('0\n2\n'); // it has ended, and nothing captures
  const tsnetpcap = `mkdir /tmp/ours; ${PACKETS}
    ${ours} -i lo --snaplen 96 --rotate 1 --ring 2 -w '/tmp/ours/pcap-%Y%m%d%H%M%S.pcap' 2> /dev/null & capture=$!
    ledger=/tmp/ours/pcap.ledger.jsonl
    until [ "$(grep -c '"type":"evict"' $ledger 2> /dev/null)" -ge 2 ]; do sleep 0.1; done
    kill -0 $capture; kill $capture; wait $capture; kill $packets; ls /tmp/ours/*.pcap | wc -l`;
  expect(await shell(tsnetpcap)).toBe('2\n');
});

test('96 bytes do not hold the name of a TLS server, --keep-names does', async () => {
  const server = `require('net').createServer((socket) => socket.resume()).listen(4433, () => console.log('ready'))`;
  const capture = `${process.execPath} -e "${server}" > /tmp/ready & server=$!
    tcpdump -Z root -U --immediate-mode -i lo -s 96 -w /tmp/document.pcap tcp port 4433 2> /tmp/document.said & document=$!
    ${ours} -i lo --snaplen 96 --keep-names -w /tmp/ours.pcap tcp port 4433 2> /tmp/ours.said & ours=$!
    until grep -q ready /tmp/ready && grep -q listening /tmp/document.said && grep -q listening /tmp/ours.said; do sleep 0.1; done
    timeout 2 ${process.execPath} -e "require('tls').connect({ port: 4433, servername: '${NAME}' })" || :
    until [ "$(tcpdump -nr /tmp/document.pcap 2> /dev/null | wc -l)" -ge 4 ]; do sleep 0.1; done
    kill $document $ours $server; wait $document; wait $ours`;
  await shell(capture);
  const names = (file: string): Promise<string> =>
    shell(
      `tshark -n -r ${file} -d tcp.port==4433,tls -T fields -e tls.handshake.extensions_server_name 2> /dev/null | sort -u`,
    );
  expect((await names('/tmp/document.pcap')).trim()).toBe('');
  expect((await names('/tmp/ours.pcap')).trim()).toBe(NAME);
});

test('two ranges are not all that qubes have, the switch of the pillar has all four', async () => {
  const addresses = ['10.137.0.9', '10.138.0.9', '10.139.1.1', 'fd09:24ef:4179::9', '192.0.2.9'];
  const excluded = QUBE_RANGES.map((range) => `--exclude ${range}`).join(' ');
  const capture = `for address in ${addresses.join(' ')}; do ip addr add $address dev lo; done
    tcpdump -Z root -U --immediate-mode -i any -s 96 -w /tmp/document.pcap not net 10.137.0.0/16 and not net 10.139.0.0/16 2> /tmp/document.said & document=$!
    ${ours} -i any --snaplen 96 -w /tmp/ours.pcap ${excluded} 2> /tmp/ours.said & ours=$!
    trap 'kill $document $ours; wait' EXIT
    until grep -q listening /tmp/document.said && grep -q listening /tmp/ours.said; do sleep 0.1; done
    for address in ${addresses.join(' ')}; do echo a > /dev/udp/$address/9; done
    until [ "$(tcpdump -nr /tmp/document.pcap udp port 9 2> /dev/null | wc -l)" -ge 3 ]; do sleep 0.1; done`;
  await shell(capture);
  const seen = async (file: string): Promise<string[]> => {
    const fields = '-Y "udp.dstport==9 and not icmp and not icmpv6" -T fields -e ip.dst -e ipv6.dst';
    return (await shell(`tshark -n -r ${file} ${fields} 2> /dev/null | tr -d '\t' | sort -u`)).trim().split('\n');
  };
  expect(await seen('/tmp/document.pcap')).toEqual(['10.138.0.9', '192.0.2.9', 'fd09:24ef:4179::9']);
  expect(await seen('/tmp/ours.pcap')).toEqual(['192.0.2.9']);
});

test('the journal of the kernel is empty for a plain user', async () => {
  await shell('echo "<7>SYSFW:new IN= OUT=eth0 of the test" > /dev/kmsg');
  const verify = (user: string): Promise<unknown> =>
    lab.dom0.run([
      'sh',
      '-c',
      `qvm-run ${user} -p sys-dns "journalctl -k --since '1 hour ago' | grep 'SYSFW:'" < /dev/null`,
    ]);
  await expect.poll(() => verify('-u root')).toMatchObject({ code: 0, stdout: expect.stringContaining('of the test') });
  expect(await verify('')).toMatchObject({ code: 1, stdout: '' });
});
