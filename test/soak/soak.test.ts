// A short slice of each long campaign of `npm run soak`; test/faults has that of `faults`. Needs root, and fails without it.
import { test } from 'vitest';
import { background } from './background.ts';
import type { Terms } from './campaign.ts';
import { full } from './full.ts';
import { idle } from './idle.ts';
import { kill } from './kill.ts';
import { rotations } from './rotations.ts';
import { speed } from './speed.ts';
import { storage } from './storage.ts';

const terms: Terms = {
  seed: Date.now() % 1_000_000,
  say: (line) => process.stdout.write(`seed ${terms.seed}: ${line}\n`),
  over: () => false,
};

test('idle files are published on time', () => idle({ ...terms, files: 2 }));
test('rotations and restarts keep the ring', () => rotations({ ...terms, starts: 2 }));
test('SIGKILL under load keeps files, ring and chain', () => kill({ ...terms, rounds: 3 }));
test('a disk that fills, has no room, and has some again', () => full({ ...terms, seconds: 7, disks: ['tmpfs'] }));
test('full speed loses nothing', () => speed({ ...terms, seconds: 2 }));
test('hashing and compression cost no packet', () => background({ ...terms, seconds: 6 }));
test('storage that is taken away', () => storage({ ...terms, faultMs: 1000, calmMs: 0 }));
