// `tsnetpcap [capture] [options] [expression]`: as tcpdump, a capture, or with -r and -V what savefiles hold.
import { Command } from 'commander';
import { CAPTURE_FLAGS, type CaptureFlags } from './capture-flags.ts';
import { readExpression } from './expression-file.ts';
import { addFlags } from './flag.ts';

/** `tsnetpcap [capture] [options] [expression]` */
export function captureCommand(version: string): Command {
  const command = new Command('tsnetpcap')
    .description('Captures packets into pcap savefiles, in a ring of files if asked, for as long as you like.')
    .usage('[capture] [options] [expression]\n       tsnetpcap read|verify|release --help')
    .argument('[expression...]', 'pcap-filter(7) expression; only packets it matches are captured')
    .action(capture);
  addFlags(command, CAPTURE_FLAGS, version);
  return command.addHelpText('after', "\ntcpdump's options about printing packets are taken, and of no effect.");
}

async function capture(words: readonly string[], flags: CaptureFlags): Promise<void> {
  const lists = flags.D || flags.J || flags.L;
  const expression = flags.F === undefined || flags.D ? words.join(' ') : readExpression(flags.F);
  if (!lists && (flags.r !== undefined || flags.V !== undefined)) {
    const { readLikeTcpdump } = await import('./read-tcpdump.ts');
    await readLikeTcpdump(flags, expression);
  } else {
    const { captureLive } = await import('./live-capture.ts');
    await captureLive(flags, expression);
  }
}
