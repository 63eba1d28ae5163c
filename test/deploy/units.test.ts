// The units as systemd-analyze judges them, and that the one for an interface differs from the other only in what it must.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PROGRAM } from '../program.ts';

const MAX_EXPOSURE = 1.5;
const DIRECTORY = fileURLToPath(new URL('../../deploy/systemd/', import.meta.url));
/** An instance, as an interface called br-lan has it. */
const UNITS = [
  ['netpcap.service', 'netpcap.service'],
  ['netpcap@.service', 'netpcap@br\\x2dlan.service'],
] as const;

let directory: string;

function unit(name: string): string {
  return readFileSync(join(DIRECTORY, name), 'utf8');
}

/** A unit's settings, comments left out. */
function settings(name: string): string[] {
  return unit(name)
    .split('\n')
    .filter((line) => line.includes('='))
    .filter((line) => !line.startsWith('#'));
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-units-'));
  // The program may not be installed here.
  for (const [source, name] of UNITS)
    writeFileSync(join(directory, name), unit(source).replace('/usr/bin/tsnetpcap', '/bin/true'));
});

afterAll(() => {
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

test.each(UNITS)('%s has nothing that systemd does not know', (_, name) => {
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', join(directory, name)], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test.each(UNITS)(`what %s leaves open is at most ${MAX_EXPOSURE}`, (_, name) => {
  const judged = execFileSync('systemd-analyze', ['security', '--offline=true', '--no-pager', join(directory, name)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'], // it has no journal to look into
  });
  const exposure = /Overall exposure level for .*: ([\d.]+) /.exec(judged)?.[1];
  expect(Number(exposure)).toBeLessThanOrEqual(MAX_EXPOSURE);
});

test('each setting has its reason: it stands right behind a comment, or behind a setting that does', () => {
  for (const [name] of UNITS) {
    const [, service = ''] = unit(name).split('[Service]\n');
    const blocks = service.split('[Install]')[0]?.trim().split('\n\n') ?? [];
    for (const block of blocks) expect(block).toMatch(/^#/);
  }
});

test('for an interface all is the same but options, file and directory', () => {
  const [all, one] = [settings('netpcap.service'), settings('netpcap@.service')];
  expect(one.filter((line) => !all.includes(line))).toEqual([
    'Description=Packet capture of %I into a ring of savefiles',
    'EnvironmentFile=-/etc/default/netpcap-%I',
    'ExecStart=/usr/bin/tsnetpcap --snaplen 96 --ring 48 -i %I --wait-for-interface ' +
      '-w /var/log/netpcap/%I/pcap-%%Y%%m%%d%%H%%M%%S.pcap $NETPCAP_OPTS',
    'LogsDirectory=netpcap/%I',
  ]);
  expect(one).toHaveLength(all.length);
  expect(all).toContain('ExecStart=/usr/bin/tsnetpcap --snaplen 96 --ring 48 $NETPCAP_OPTS');
});

const SHOWN = [...unit('netpcap.default').matchAll(/^#? *NETPCAP_OPTS="(.*)"$/gm)].map(([, options = '']) => options);

test('there are options to start from', () => expect(SHOWN.length).toBeGreaterThan(2));

test.each(SHOWN)('the program takes what /etc/default/netpcap shows: %s', (options) => {
  const line = `'${process.execPath}' '${PROGRAM}' --print-config --snaplen 96 --ring 48 ${options}`;
  expect(spawnSync('sh', ['-c', line], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});
