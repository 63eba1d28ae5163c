// The user database against id(1).
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { getpwnam } from '../../src/native/passwd.ts';

test.each(['root', 'nobody', 'daemon'])('%s is who id says', (name) => {
  const id = (what: string): number => Number(execFileSync('id', [what, name], { encoding: 'utf8' }));
  expect(getpwnam(name)).toMatchObject({ pw_name: name, pw_uid: id('-u'), pw_gid: id('-g') });
});

test('nobody is who does not exist', () => {
  expect(getpwnam('nosuchuser')).toBeUndefined();
});
