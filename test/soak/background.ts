// Hashes and compressed copies are made beside the capture, on another thread: they must not cost it a packet.
import { join } from 'node:path';
import { balanceOf, capture, startOffer, type Terms, withLab } from './campaign.ts';
import { entries, ledger, numbersIn, Sequence, verify } from './evidence.ts';
import { Watcher } from './watcher.ts';

const RATE = 300_000;

export interface BackgroundTerms extends Terms {
  readonly seconds: number;
}

export async function background({ seconds, say }: BackgroundTerms): Promise<void> {
  await withLab(async (lab, home) => {
    const directory = join(home, 'series');
    const count = RATE * seconds;
    const watcher = new Watcher({ directory, kept: join(home, 'kept'), keep: 1000 });
    const program = await capture(lab, directory, ['--rotate', '5s', '--ring', '1000', '--compress', 'gzip']);
    try {
      if ((await startOffer(lab, { count, rate: RATE })) !== count) throw new Error('the generator failed');
      await program.stop();
    } finally {
      await program.kill();
      watcher.end();
    }
    const { written, dropped } = balanceOf(program);
    if (dropped > 0 || written !== count)
      throw new Error(`${dropped} of ${count} packets were dropped, ${written} written`);
    const sequence = new Sequence();
    for (const [name, path] of watcher.take(() => true)) sequence.add(name, numbersIn(path), 'none');
    if (sequence.count !== count) throw new Error(`${sequence.count} packets in files, ${count} were offered`);
    const { findings, summary } = await verify(directory);
    if (findings.length > 0) throw new Error(`verify: ${findings.join('; ')}`);
    const all = ledger(directory);
    const [hashes, copies] = [entries(all, 'hash').length, entries(all, 'compress').length];
    if (hashes === 0 || copies === 0) throw new Error(`${hashes} files were hashed, ${copies} compressed`);
    say(
      `background: ${count} packets at ${RATE} a second, 0 dropped; ${hashes} files hashed, ${copies} compressed; ` +
        `verify: ${summary}`,
    );
  });
}
