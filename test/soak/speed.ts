// Rotation every second with packets as fast as the generator makes them, 1.5 million a second and more: not one is lost,
// doubled or moved. Every number is looked at, when the capture is over: reading beside it would take a processor away.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { balanceOf, capture, startOffer, type Terms, withLab } from './campaign.ts';
import { endings, ledger, numbersIn, Sequence, verify } from './evidence.ts';
import { Watcher } from './watcher.ts';

const RING = 5;
/** So that a processor which others use meanwhile costs no packet. */
const RING_MEMORY = '512MiB';
const WATCH_MS = 20;
/** A guess, so that the load lasts about as long as asked for. */
const RATE_GUESS = 1_500_000;

export interface SpeedTerms extends Terms {
  readonly seconds: number;
}

export async function speed({ seconds, say }: SpeedTerms): Promise<void> {
  await withLab(async (lab, home) => {
    const directory = join(home, 'series');
    const count = RATE_GUESS * seconds;
    const options = ['--rotate', '1s', '--ring', String(RING), '--ring-memory', RING_MEMORY];
    const watcher = new Watcher({ directory, kept: join(home, 'kept'), keep: RING }, WATCH_MS);
    const program = await capture(lab, directory, options);
    const startMs = performance.now();
    let tookMs = 0;
    try {
      if ((await startOffer(lab, { count })) !== count) throw new Error('the generator failed');
      tookMs = performance.now() - startMs;
      await program.stop();
    } finally {
      await program.kill();
      watcher.end();
    }
    const { received, written, dropped } = balanceOf(program);
    if (received !== count || written !== count)
      throw new Error(`${count} packets offered, ${received} received, ${dropped} dropped, ${written} written`);
    const ended = endings(ledger(directory));
    const taken = watcher.take((name) => ended.has(name));
    const { findings, summary } = await verify(directory);
    if (findings.length > 0) throw new Error(`verify: ${findings.join('; ')}`);
    const sequence = new Sequence();
    for (const [name, path] of taken) {
      const numbers = numbersIn(path);
      if (numbers.length !== ended.get(name)?.packets)
        throw new Error(`${name}: not as many packets as its close line says`);
      sequence.add(name, numbers, 'none');
      rmSync(path);
    }
    if (sequence.count !== count || taken.length !== ended.size)
      throw new Error(`${sequence.count} packets in ${taken.length} files of ${ended.size}, ${count} were offered`);
    const perSecond = Math.round(count / (tookMs / 1000) / 1000);
    say(
      `speed: ${count} packets at ${perSecond} thousand a second, the start of the generator included, in ${taken.length} ` +
        `files: each number once and in order, 0 dropped, with --ring-memory ${RING_MEMORY}; verify: ${summary}`,
    );
  });
}
