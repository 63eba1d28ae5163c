// The option table against what else describes it: the manual page has each flag, by all its names, and no other.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { CAPTURE_FLAGS } from '../../src/cli/capture-flags.ts';
import { spellings } from '../../src/cli/flag.ts';

const MANUAL = fileURLToPath(new URL('../../man/tsnetpcap.8', import.meta.url));

/** `-s` or `--snaplen`, and `=` behind what takes a value. */
function described(manual: string): string[] {
  const sections = manual.slice(manual.indexOf('.Ss Packets\n'), manual.indexOf('.Sh SERIES\n'));
  return [...sections.matchAll(/^\.It Fl (.*)$/gm)].flatMap(([, item = '']) => {
    const [names = '', value] = item.split(/ (?:Ar|Cm) /);
    return names.split(' , Fl ').map((name) => `-${name}${value === undefined ? '' : '='}`);
  });
}

test('the manual has every flag by every name, with a value where it takes one, once, and no other', () => {
  const rows = CAPTURE_FLAGS.flatMap((flag) =>
    spellings(flag).map((name) => `${name}${flag.value === undefined ? '' : '='}`),
  );
  expect(described(readFileSync(MANUAL, 'utf8')).sort()).toEqual(rows.sort());
});
