// scripts/start as a user runs it, on a machine where everything is installed, and on one whose Node is too old.
// Needs root, and fails without it: it captures.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../bench/lab.ts';
import { offer } from '../bench/offer.ts';
import { Program } from './program.ts';
import { expectReadable, savefilesIn } from './savefile.ts';

const START = fileURLToPath(new URL('../scripts/start', import.meta.url));

let lab: Lab;
let directory: string;

beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-scripts-'));
});

afterAll(() => {
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

test('start captures; its arguments win, and a signal to it is one to the program', async () => {
  const home = join(directory, 'home');
  const program = new Program(lab, [START, '-i', 'cap0', '-w', join(home, 'p-%s.pcap'), 'udp']);
  try {
    await program.says(/listening on cap0, link-type EN10MB \(Ethernet\), snapshot length 96 bytes\n/);
    expect(await offer(lab, { count: 10 })).toBe(10);
    expect(await program.stop()).toEqual({ captured: 10, received: 10, dropped: 0 });
    const [only = '', ...others] = savefilesIn(home);
    expect(others).toEqual([]);
    expectReadable(join(home, only), 10);
  } finally {
    await program.kill();
  }
});

/** A directory of programs before all others: each prints a text and ends with a code. */
function shims(programs: Readonly<Record<string, readonly [text: string, code: number]>>): string {
  const bin = mkdtempSync(join(directory, 'bin-'));
  for (const [name, [text, code]] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\necho '${text}'\nexit ${code}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return bin;
}

test('an old Node where the distribution has no newer one: one line, exit code 1', async () => {
  const bin = shims({ node: ['v18.20.4', 0], 'apt-cache': ['  Candidate: 18.20.4+dfsg-1', 0], 'apt-get': ['Hit', 0] });
  writeFileSync(join(bin, 'node'), `#!/bin/sh\n[ "$1" = -p ] && echo 18 || echo v18.20.4\n`);
  const program = new Program(undefined, [START], { env: { PATH: `${bin}:${process.env['PATH']}` } });
  try {
    expect(await program.exit()).toBe(1);
    expect(program.stderr.trimEnd().split('\n')).toEqual([
      'Hit', // of apt-get update: the lists may be old
      'scripts/start: v18.20.4 found, and the distribution has Node 18: install Node 20 or newer (nodejs.org), then run this again',
    ]);
  } finally {
    await program.kill();
  }
});

test('a Debian package that is missing, without the right to install it: one line that names it', async () => {
  const bin = shims({ id: ['1000', 0], 'dpkg-query': ['installed libc6, ,', 0] });
  const program = new Program(undefined, [START], { env: { PATH: `${bin}:${process.env['PATH']}` } });
  try {
    expect(await program.exit()).toBe(1);
    expect(program.stderr.trimEnd()).toBe(
      'scripts/start: missing Debian packages: run as root, or: apt-get install libpcap0.8',
    );
  } finally {
    await program.kill();
  }
});
