// The option table: abbreviations of tcpdump's options.
import { expect, test } from 'vitest';
import { CAPTURE_FLAGS } from '../../src/cli/capture-flags.ts';
import { expandAbbreviations, spellings } from '../../src/cli/flag.ts';

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
