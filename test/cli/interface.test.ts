// -i and -p on real interfaces. Live, in a lab; needs root, and fails without it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { PROGRAM, Program } from '../program.ts';

let lab: Lab;
beforeAll(() => {
  lab = Lab.create();
});
afterAll(() => lab?.remove());

test.each([
  ['promiscuous', [], '1'],
  ['not with -p', ['-p'], '0'],
  ['not on any', ['-i', 'any'], '0'],
])('the interface is put into promiscuous mode while it is captured: %s', async (_, options, promiscuity) => {
  const counted = (): string | undefined =>
    /promiscuity (\d+)/.exec(lab.exec(['ip', '-d', 'link', 'show', 'cap0']))?.[1];
  const program = await Program.capture(lab, ['-i', 'cap0', ...options, '-w', '/dev/null']);
  try {
    expect(counted()).toBe(promiscuity);
    await program.stop();
    expect(counted()).toBe('0');
  } finally {
    await program.kill();
  }
});

test('an interface by its number in -D', async () => {
  const listed = lab.exec([process.execPath, PROGRAM, '-D']);
  const number = /^(\d+)\.cap0 /m.exec(listed)?.[1] ?? '';
  const program = await Program.capture(lab, ['-i', number, '-w', '/dev/null']);
  try {
    expect(program.stderr).toContain('tsnetpcap: listening on cap0, link-type EN10MB (Ethernet)');
    await program.stop();
  } finally {
    await program.kill();
  }
});
