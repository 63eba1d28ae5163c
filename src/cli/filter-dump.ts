// `-d`: the filter program that would be attached, as tcpdump prints it. Without an interface a packet filter's compiler, for
// Ethernet or `-y`, that needs no privilege.
import { CaptureError, OptionError } from '../errors.ts';
import { compileFilter, type FilterOptions } from '../filter/compile.ts';
import { linktypeNamed } from '../filter/handle.ts';
import { keepOptionsGiven } from '../filter/keep-options.ts';
import { compileOffline } from '../filter/offline.ts';

/** `level`: how often -d was given. Prints to stdout, and what there is to be known to stderr. @throws as compileFilter */
export function printProgram(options: FilterOptions, forDevice: boolean, level: number): void {
  if (forDevice) {
    const { program, warnings } = compileFilter(options);
    for (const warning of warnings) process.stderr.write(`tsnetpcap: ${warning}\n`);
    process.stdout.write(program.dump(level));
    return;
  }
  if (options.exclude.length > 0)
    throw new OptionError('--exclude', options.exclude.join(' '), 'with -d it needs an interface, -i');
  const [ours] = keepOptionsGiven(options).all;
  if (ours !== undefined) throw new CaptureError('ERR_FILTER', `${ours}: with -d it needs an interface, -i`);
  if (options.linktype === undefined) process.stderr.write('Warning: assuming Ethernet\n');
  const linktype = linktypeNamed(options.linktype ?? 'EN10MB');
  process.stdout.write(compileOffline(options.expression, { linktype, snaplen: options.snaplen }).dump(level));
}
