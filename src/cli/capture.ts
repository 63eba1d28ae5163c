// `tsnetpcap [capture] [options] [expression]`: as tcpdump, a capture, or with -r and -V what savefiles hold.
import { Command } from 'commander';
import { CaptureError, type OptionError } from '../errors.ts';
import { CAPTURE_FLAGS, type CaptureFlags } from './capture-flags.ts';
import { readExpression } from './expression-file.ts';
import { addFlags } from './flag.ts';

const AFTER_OPTIONS = `
tcpdump's options about printing packets are taken, and of no effect.

Examples:
  tsnetpcap --snaplen 96 --ring 48
      the first 96 bytes of every packet, a file an hour in /var/log/netpcap,
      the last 48 kept
  tsnetpcap -i any -c 100 -w - port 53 | tshark -r -
      100 packets of DNS, shown by tshark
  tsnetpcap read a.pcap b.pcapng.gz -w both.pcap
      two savefiles merged by time
`;

/** `tsnetpcap [capture] [options] [expression]` */
export function captureCommand(version: string): Command {
  const refused: { readonly name: string; readonly error: OptionError }[] = [];
  const command = new Command('tsnetpcap')
    .description('Captures packets into pcap savefiles, in a ring of files if asked, for as long as you like.')
    .usage('[capture] [options] [expression]\n       tsnetpcap help read|verify|release')
    .argument('[expression...]', 'pcap-filter(7) expression; only packets it matches are captured')
    .action((words: readonly string[], flags: CaptureFlags) => {
      for (const { name } of refused) if (command.getOptionValue(name) === '') command.setOptionValue(name, undefined);
      const errors = refused.map(({ error }) => error);
      return capture(words, flags, errors);
    });
  addFlags(command, CAPTURE_FLAGS, version, (error, name) => void refused.push({ name, error }));
  return command.addHelpText('after', AFTER_OPTIONS);
}

async function capture(words: readonly string[], flags: CaptureFlags, refused: readonly OptionError[]): Promise<void> {
  const lists = flags.D || flags.J || flags.L;
  const offline = !lists && (flags.r ?? flags.V) !== undefined;
  const plan = flags.check ? '--check' : flags.printConfig ? '--print-config' : undefined;
  if (plan !== undefined && (lists || offline || flags.d !== undefined))
    throw new CaptureError('ERR_OPTION', `${plan} is about a capture, leave out -D, -L, -J, -d, -r and -V`);
  const expression = (): string => (flags.F === undefined || flags.D ? words.join(' ') : readExpression(flags.F));
  if (flags.check) {
    const { checkAndSay } = await import('./check.ts');
    return checkAndSay(flags, expression, refused);
  }
  const [first] = refused;
  if (first !== undefined) throw first;
  if (flags.printConfig) {
    const { printConfiguration } = await import('./configuration.ts');
    printConfiguration(flags, expression());
  } else if (offline) {
    const { readLikeTcpdump } = await import('./read-tcpdump.ts');
    await readLikeTcpdump(flags, expression());
  } else {
    const { captureLive } = await import('./live-capture.ts');
    await captureLive(flags, expression());
  }
}
