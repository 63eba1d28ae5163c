// --help and help: within 80 columns, in topics, with examples that the manual has, too, where tests run them.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { CAPTURE_FLAGS } from '../../src/cli/capture-flags.ts';
import { PROGRAM, Program } from '../program.ts';

const MANUAL = readFileSync(fileURLToPath(new URL('../../man/tsnetpcap.8', import.meta.url)), 'utf8');

async function help(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await Program.run(undefined, [process.execPath, PROGRAM, ...words]);
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}

const COMMANDS = ['capture', 'read', 'verify', 'release'];

test.each(COMMANDS)(
  '%s: within 80 columns, the same by `help` and by --help, with what the manual shows',
  async (name) => {
    const text = await help(name, '--help');
    expect(await help('help', name)).toBe(text);
    expect(text).toMatch(new RegExp(`^Usage: tsnetpcap \\[?${name}`));
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
    const examples = [...text.matchAll(/^ {2}(tsnetpcap .*)$/gm)].map(([, line = '']) => line);
    expect(examples.length).toBe({ capture: 3, read: 2 }[name] ?? 0);
    for (const line of examples.filter((each) => !each.includes('--from'))) expect(MANUAL).toContain(`\n${line}\n`);
  },
);

test('without a word it is that of a capture, in topics of some options each', async () => {
  const text = await help('help');
  expect(text).toBe(await help('--help'));
  const topics = [...new Set(CAPTURE_FLAGS.filter(({ printing }) => !printing).map(({ group }) => group))];
  expect([...text.matchAll(/^(\S.*:)$/gm)].map(([, topic]) => topic)).toEqual(['Arguments:', ...topics, 'Examples:']);
  for (const topic of topics) {
    const options = text.slice(text.indexOf(`\n${topic}\n`) + topic.length + 2).split('\n\n')[0] ?? '';
    expect(options.split('\n').filter((line) => /^ {2}-/.test(line)).length).toBeLessThanOrEqual(14);
  }
});

test('help about nothing that there is', async () => {
  const ended = await Program.run(undefined, [process.execPath, PROGRAM, 'help', 'tcpdump']);
  const stderr = 'tsnetpcap: help tcpdump: expected capture, read, verify, release\n';
  expect(ended).toEqual({ code: 2, stdout: '', stderr });
});
