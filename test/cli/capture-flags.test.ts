// The option table against what else describes it: the manual page has each flag, by all its names, and no other.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { CAPTURE_FLAGS } from '../../src/cli/capture-flags.ts';
import { expandAbbreviations, spellings } from '../../src/cli/flag.ts';

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

test("what is short enough for tcpdump's long options is so here", () => {
  const theirs = CAPTURE_FLAGS.filter(({ tcpdump }) => tcpdump).flatMap(({ long = [] }) =>
    long.filter((name) => name !== 'snaplen'),
  );
  expect(theirs.length).toBeGreaterThan(20);
  for (const name of theirs) {
    for (let length = 1; length < name.length; length++) {
      const short = name.slice(0, length);
      if (theirs.includes(short) || theirs.some((other) => other !== name && other.startsWith(short))) continue;
      const [expanded = ''] = expandAbbreviations([`--${short}`], CAPTURE_FLAGS);
      const rows = [`--${name}`, expanded].map((each) => CAPTURE_FLAGS.find((flag) => spellings(flag).includes(each)));
      expect({ short, row: rows[1] }).toEqual({ short, row: rows[0] });
    }
  }
});
