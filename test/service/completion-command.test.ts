// `-z`: real programs run for savefiles. Each leaves a file of its own, by which the test sees what it was given.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { CompletionCommand } from '../../src/service/completion-command.ts';

/** A Node that runs TypeScript; scripts/test installs it. */
const MAJOR = 24;

const root = mkdtempSync(join(tmpdir(), 'completion-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir = '';
let notices: string[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(root, 'dir-'));
  notices = [];
});

function program(name: string, body: string): string {
  const path = join(dir, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

const commandOf = (path: string): CompletionCommand => new CompletionCommand(path, (text) => notices.push(text));
const read = (name: string): string => readFileSync(join(dir, name), 'utf8');

test('the program gets the path and nothing else, whatever the name', async () => {
  const command = commandOf(program('cmd', 'printf "%s|" "$#" "$@" > "$1.seen"'));
  const names = ['pcap-1.pcap', 'a b; echo $(id) > x `id` &.pcap', '-n.pcap', 'quote\'s "\n.pcap'];
  for (const name of names) command.run(join(dir, name));
  expect(command.pending).toBe(names.length);
  await command.settled();
  expect(command.pending).toBe(0);
  for (const name of names) expect(read(`${name}.seen`)).toBe(`1|${join(dir, name)}|`);
  expect(readdirSync(dir).length).toBe(1 + names.length);
  expect(notices).toEqual([]);
});

test('a name without a slash is looked up in PATH', async () => {
  writeFileSync(join(dir, 'pcap-1.pcap'), 'savefile');
  const command = commandOf('gzip');
  command.run(join(dir, 'pcap-1.pcap'));
  await command.settled();
  expect([readdirSync(dir), notices]).toEqual([['pcap-1.pcap.gz'], []]);
});

test('two at a time, begun in the order in which the files became complete', async () => {
  // Each notes how many are running with it, and goes on when the test says so.
  const body = `echo begin "$1" >> ${dir}/log; until [ -e "$1.go" ]; do sleep 0.01; done; echo end "$1" >> ${dir}/log`;
  const command = commandOf(program('cmd', body));
  const paths = [1, 2, 3, 4, 5].map((n) => join(dir, `pcap-${n}.pcap`));
  const log = (): string[] => (existsSync(join(dir, 'log')) ? read('log').trimEnd().split('\n') : []);
  for (const path of paths) command.run(path);
  expect(command.pending).toBe(5);
  for (const [index, path] of paths.entries()) {
    const begun = Math.min(index + 2, paths.length);
    await expect.poll(() => log().filter((line) => line.startsWith('begin')).length, { timeout: 10_000 }).toBe(begun);
    writeFileSync(`${path}.go`, '');
    await expect.poll(() => command.pending, { timeout: 10_000 }).toBe(paths.length - index - 1);
  }
  await command.settled();
  const begun = log().filter((line) => line.startsWith('begin'));
  // The first two begin together.
  expect([...begun.slice(0, 2).sort(), ...begun.slice(2)]).toEqual(paths.map((path) => `begin ${path}`));
  let running = 0;
  let most = 0;
  for (const line of log()) {
    running += line.startsWith('begin') ? 1 : -1;
    most = Math.max(most, running);
  }
  expect([most, running]).toEqual([2, 0]);
});

test('the lowest priority, /dev/null to read, and no descriptor of ours', async () => {
  const open = openSync(join(dir, 'ours'), 'w');
  try {
    const body = `until [ "$(ps -o ni= -p $$)" -eq 19 ]; do :; done; ps -o ni= -p $$ > ${dir}/nice
      for fd in /proc/$$/fd/*; do echo "\${fd##*/} $(readlink "$fd")"; done > ${dir}/fds; cat > ${dir}/input`;
    const command = commandOf(program('cmd', body));
    command.run(join(dir, 'pcap-1.pcap'));
    await command.settled();
  } finally {
    closeSync(open);
  }
  expect(notices).toEqual([]);
  expect(read('nice').trim()).toBe('19');
  const fds = read('fds')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' '));
  expect(fds[0]).toEqual(['0', '/dev/null']);
  expect(fds.map(([, to]) => to)).not.toContain(join(dir, 'ours'));
  expect(read('input')).toBe('');
});

test('what the program prints goes to our stderr, and nothing into our stdout', () => {
  const command = program('cmd', 'echo "out of $1"; echo "err of $1" >&2');
  const module = fileURLToPath(new URL('../../src/service/completion-command.ts', import.meta.url));
  const script = `import { CompletionCommand } from ${JSON.stringify(module)};
    const command = new CompletionCommand(${JSON.stringify(command)}, console.error);
    command.run('x.pcap');
    await command.settled();`;
  const node = fileURLToPath(
    new URL(`../../node_modules/.cache/node-${MAJOR}/node_modules/current/bin/node`, import.meta.url),
  );
  const { status, stdout, stderr } = spawnSync(node, ['--no-warnings', '--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: 'out of x.pcap\nerr of x.pcap\n' });
});

test('each failure is one line, and the others are run all the same', async () => {
  const body = 'case $1 in *3.pcap) exit 3;; *9.pcap) kill -9 $$;; esac; : > "$1.done"';
  const command = commandOf(program('cmd', body));
  for (const n of [1, 3, 9, 4]) command.run(join(dir, `pcap-${n}.pcap`));
  await command.settled();
  const prefix = `-z ${join(dir, 'cmd')}: `;
  expect(notices.sort()).toEqual([`${prefix}pcap-3.pcap: exit code 3`, `${prefix}pcap-9.pcap: ended by SIGKILL`]);
  expect(readdirSync(dir).sort()).toEqual(['cmd', 'pcap-1.pcap.done', 'pcap-4.pcap.done']);
});

test.each([
  ['a program that does not exist', 'nosuchprogram', 'not found'],
  ['arguments in the name', 'gzip -9', 'not found'],
  ['a file that is not executable', '/etc/passwd', "can't be started"],
  ['a directory', '/', "can't be started"],
  // Node throws this one.
  ['an impossible name', 'a\0b', "can't be started: ERR_INVALID_ARG_VALUE"],
])('%s: one line a savefile, and no exception', async (_, name, reason) => {
  const command = commandOf(name);
  for (const n of [1, 2, 3]) expect(() => command.run(`/x/pcap-${n}.pcap`)).not.toThrow();
  await command.settled();
  expect(command.pending).toBe(0);
  expect(notices.sort()).toEqual([1, 2, 3].map((n) => `-z ${name}: pcap-${n}.pcap: ${reason}`));
});

test('settled when nothing was ever run, and again after more was', async () => {
  const command = commandOf('true');
  await command.settled();
  command.run('x.pcap');
  await Promise.all([command.settled(), command.settled()]);
  command.run('y.pcap');
  expect(command.pending).toBe(1);
  await command.settled();
  expect([command.pending, notices]).toEqual([0, []]);
});
