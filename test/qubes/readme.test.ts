// deploy/qubes/README.md against what there is: settings, names, paths, options, numbers, links, and the syntax of its commands.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { FILES } from '../../src/netlog/state/files.ts';
import { QUBE_RANGES, SETTINGS } from '../../src/netlog/state/settings.ts';
import { PROGRAM, Program } from '../program.ts';

const HERE = fileURLToPath(new URL('../../deploy/qubes/', import.meta.url));
const README = readFileSync(join(HERE, 'README.md'), 'utf8');
const STATE = readFileSync(join(HERE, 'full-netlog.sls'), 'utf8');
const BLOCKS = [...README.matchAll(/^ *```(\w+)\n([\s\S]*?)^ *```$/gm)].map(([, language, text = '']) => ({
  language,
  text,
}));
const SHELL = BLOCKS.flatMap(({ language, text }) => (language === 'bash' ? [text] : []));
/** All that is to be taken word for word. */
const CODE = [...BLOCKS.map(({ text }) => text), ...[...README.matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text)];
const TARGETS = FILES.flatMap(({ rw, template }) => [rw, template]).filter((path) => path !== undefined);

/** What netpcap.service runs, told to print its filter and nothing else. */
const SERVICE = [process.execPath, PROGRAM, '-i', 'lo', '-d', '--snaplen', '96', '--ring', '48'] as const;

/** What a person makes, as it is called in the examples. */
const OWN = [
  'tsnetpcap-qubes-VERSION.tar.gz',
  'netlog.sls',
  'netlogs.tar.gz',
  'netlogs_VERSION_amd64.deb',
  'netlogs-VERSION-linux-x64.tar.gz',
  'netlogs-VERSION-linux-x64',
  'netlogs.key',
  'disp-netlogs',
  'custom-persist.netpcap',
  'custom-persist.netlog',
];
/** Of Qubes, Salt and the person's; and a savefile. */
const THEIRS =
  /^\/(srv\/(pillar|salt)\/|var\/log\/xen\/console|rw\/config$|var\/log\/netpcap\/pcap-YYYYmmddHHMMSS\.pcap$)/;

const source = (name: string): string => readFileSync(join(HERE, 'files', name), 'utf8');
const found = (pattern: RegExp): string[] => [...new Set(CODE.flatMap((text) => text.match(pattern) ?? []))];
/** As a word of its own. */
const holds = (text: string, word: string): boolean =>
  new RegExp(`(?<![\\w.-])${word.replaceAll('.', '\\.')}(?![\\w-])`).test(text);

/** As the table of settings has it. */
function shown(value: (typeof SETTINGS)[string]['value']): string {
  if (value === '') return 'none';
  if (typeof value !== 'object') return `\`${value}\``;
  const items = Array.isArray(value) ? value : Object.entries(value).map(([key, text]) => `${key}: ${text}`);
  return items.length === 0 ? 'none' : items.map((item) => `\`${item}\``).join(', ');
}

test('the settings are those there are, with their defaults', () => {
  const table = README.slice(README.indexOf('## Settings'), README.indexOf('## Removing it'));
  const rows = [...table.matchAll(/^\| `(\w+)` \| (.*?) \| /gm)].map(([, name, value]) => [name, value]);
  expect(rows).toEqual(Object.entries(SETTINGS).map(([name, { value }]) => [name, shown(value)]));
  const used = [...README.matchAll(/^ {2}(\w+): |`(\w+): '/gm)].map(([, a, b]) => a ?? b ?? '');
  expect(used.length).toBeGreaterThan(8);
  expect(used.filter((name) => SETTINGS[name] === undefined)).toEqual([]);
});

test('names of ours are those of files, units and services that the state brings', () => {
  const names = found(/[\w.-]*(?:netlog|netpcap)[\w.-]*/g).map((name) => name.replace(/\.$/, ''));
  expect(names.length).toBeGreaterThan(20);
  const known = [...TARGETS.map((path) => basename(path)), ...readdirSync(HERE), ...OWN];
  const state = (name: string): string => `${name.replace(/^qubes\.monitor\./, '')}.sls`;
  const real = (name: string): boolean => known.includes(name) || known.includes(state(name)) || holds(STATE, name);
  expect(names.filter((name) => !real(name))).toEqual([]);
});

test('paths are those of the state', () => {
  const paths = found(/(?<![\w~.<>/-])\/[a-z][\w./-]*/g).map((path) => path.replace(/[./]$/, ''));
  expect(paths.length).toBeGreaterThan(10);
  const real = (path: string): boolean => TARGETS.includes(path) || STATE.includes(path) || THEIRS.test(path);
  expect(paths.filter((path) => !real(path))).toEqual([]);
});

test('every script in dom0 and the viewer is named', () => {
  const scripts = FILES.filter(({ role, mode }) => (role === 'dom0' || role === 'work') && mode === '0755');
  expect(scripts.length).toBeGreaterThan(3);
  expect(scripts.map(({ rw = '' }) => basename(rw)).filter((name) => !README.includes(name))).toEqual([]);
});

test('options of our scripts are those that they have', () => {
  const lines = CODE.flatMap((text) => text.split(/\n|;/)).filter((line) => / --/.test(line));
  const scripts = FILES.filter(({ role, mode }) => (role === 'dom0' || role === 'work') && mode === '0755');
  let count = 0;
  for (const { from } of scripts) {
    const name = basename(from);
    for (const line of lines.filter((each) => new RegExp(`(^|[ /])${name} `).test(each))) {
      for (const option of line.slice(line.indexOf(name)).match(/--\w[\w-]*/g) ?? []) {
        expect([name, option, source(from.replace('qubes/files/', '')).includes(option)]).toEqual([name, option, true]);
        count++;
      }
    }
  }
  expect(count).toBeGreaterThan(3);
});

test('options of tsnetpcap are taken, after those of the service', async () => {
  const values = [...README.matchAll(/options: '([^']*)'|^\| `options` \| none \| .*: `([^`]*)` \|$/gm)];
  expect(values.length).toBeGreaterThan(6);
  for (const [, a, b] of values) {
    const options = (a ?? b ?? '').split(' ');
    const { code, stderr } = await Program.run(undefined, [...SERVICE, ...options]);
    expect({ options, code, stderr }).toEqual({ options, code: 0, stderr: '' });
  }
});

test('numbers are those of the programs', () => {
  const bound = (text: string, name: string): string => new RegExp(`\\b${name}=(\\d+)`).exec(text)?.[1] ?? `no ${name}`;
  const health = source('dom0/netlogs-health');
  expect(README).toContain(`disks (${bound(health, 'DISK_PERCENT')}% at most)`);
  expect(README).toContain(`the last good backup (${bound(health, 'BACKUP_HOURS')} hours at most)`);
  const spool = source('nftlog/netlog-spool');
  expect(bound(spool, 'MAX_DAYS')).toBe('7');
  expect(README).toContain(`Lines: seven days, and ${Number(bound(spool, 'MAX_BYTES')) / 2 ** 20} MiB`);
  const privacy = README.slice(README.indexOf('## Privacy and'), README.indexOf('## Encryption'));
  expect(privacy.match(/\d[\d.]+\/16|fd[\da-f:]+\/48/g)).toEqual(QUBE_RANGES);
  for (const range of QUBE_RANGES) expect(README).toContain(`addr == ${range}`);
});

test('links lead somewhere', () => {
  const anchors = [...README.matchAll(/^#+ (.*)$/gm)].map(([, text = '']) =>
    text
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );
  const links = [...README.matchAll(/\]\(([^)]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^https:/.test(link));
  expect(links.length).toBeGreaterThan(20);
  const dead = (link: string): boolean =>
    link.startsWith('#') ? !anchors.includes(link.slice(1)) : !existsSync(join(HERE, link));
  expect(links.filter(dead)).toEqual([]);
});

test('its commands are those of a shell', async () => {
  expect(SHELL.length).toBeGreaterThan(8);
  for (const text of SHELL) {
    expect(await Program.run(undefined, ['bash', '-n', '-c', text])).toEqual({ code: 0, stdout: '', stderr: '' });
  }
});

test('each of the fifteen faults of the document has its row', () => {
  const table = README.slice(README.indexOf('## The document and'), README.indexOf('## Not verified'));
  expect([...table.matchAll(/^\| .* \| .* \| .* \|$/gm)].length).toBe(2 + 15);
});
