// The tarball as it is meant: unpacked where there is a Node, libpcap, and nothing else. Live, in a lab; needs root and the Nodes
// that scripts/test installs, and fails without them.
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../../../bench/lab.ts';
import { offer } from '../../../bench/offer.ts';
import { NODES } from '../../nodes.ts';
import { Program } from '../../program.ts';
import { expectReadable, savefilesIn } from '../../savefile.ts';
import { inBareRoot, libpcap } from './bare-root.ts';
import { Packages, VERSION } from './packages.ts';

const PROGRAM = '/bin/tsnetpcap';

let lab: Lab;
let packages: Packages;
/** The unpacked tarball, which becomes the root directory. */
let root: string;

beforeAll(() => {
  lab = Lab.create();
  packages = new Packages('tsnetpcap');
  root = packages.unpack(`tsnetpcap-${VERSION}-linux-${process.arch}.tar.gz`);
});

afterAll(() => {
  lab?.remove();
  packages?.remove();
});

test.each(NODES)('it runs with Node %s and libpcap, and nothing else', async (major, node) => {
  const command = (...args: string[]): [string, ...string[]] => inBareRoot(root, node, [libpcap()], [PROGRAM, ...args]);
  const version = await Program.run(lab, command('--version'));
  expect([version.code, version.stdout]).toEqual([0, expect.stringMatching(`^tsnetpcap ${VERSION}, Node ${major}\\.`)]);

  mkdirSync(join(root, major));
  const series = ['-i', 'cap0', '-w', `/${major}/p-%s.pcap`, '--ring', '3', '--compress', 'gzip', 'udp'];
  const capture = new Program(lab, command(...series));
  try {
    await capture.says(/listening on cap0, link-type EN10MB \(Ethernet\)/);
    expect(await offer(lab, { count: 100 })).toBe(100);
    expect(await capture.stop()).toEqual({ captured: 100, received: 100, dropped: 0 });
  } finally {
    await capture.kill();
  }
  const verified = await Program.run(lab, command('verify', `/${major}`));
  expect([verified.code, verified.stderr]).toEqual([0, '']);
  const read = await Program.run(lab, command('read', `/${major}`, '-w', `/${major}/all.pcap`, 'udp'));
  expect([read.code, read.stderr]).toEqual([0, '']);
  expectReadable(join(root, major, 'all.pcap'), 100);
  expect(savefilesIn(join(root, major)).length).toBeGreaterThan(0);
});

test.each(NODES)('without libpcap it says what to install, with Node %s', async (_major, node) => {
  const { code, stderr } = await Program.run(lab, inBareRoot(root, node, [], [PROGRAM, '-i', 'cap0', '-w', '/x.pcap']));
  expect([code, stderr]).toEqual([1, 'tsnetpcap: libpcap not found: apt install libpcap0.8, or dnf install libpcap\n']);
  expect(readdirSync(root)).not.toContain('x.pcap');
});

test('a capture goes on to its end when its files are taken away, as an upgrade does before it restarts it', async () => {
  const home = join(packages.home, 'upgraded');
  cpSync(join(root, 'lib/tsnetpcap'), join(home, 'lib'), { recursive: true });
  const argv = [join(home, 'lib/tsnetpcap.cjs'), '-i', 'cap0', '-w', join(home, 'p-%s.pcap'), '--ring', '9'];
  const capture = new Program(lab, [process.execPath, ...argv, '--compress', 'gzip', '-z', 'true', 'udp']);
  try {
    await capture.says(/listening on cap0/);
    rmSync(join(home, 'lib'), { recursive: true });
    expect(await offer(lab, { count: 10 })).toBe(10);
    capture.signal('SIGHUP');
    await capture.until(() => readdirSync(home).some((name) => name.endsWith('.pcap.gz')));
    expect(await capture.stop()).toEqual({ captured: 10, received: 10, dropped: 0 });
    expect(readdirSync(home).filter((name) => name.endsWith('.pcap.gz'))).toHaveLength(2);
  } finally {
    await capture.kill();
  }
});
