// `--check`: whether a capture could begin, one line for each thing in its way. For ExecStartPre= of a service, and for whoever
// has changed its options while it runs.
import { checkCapture, Findings } from '../capture/check.ts';
import { checkAwaited } from '../capture/interface-wait.ts';
import { chooseOutput } from '../capture/output-options.ts';
import type { OptionError } from '../errors.ts';
import { largestKept } from '../filter/kept-bytes.ts';
import type { CaptureFlags } from './capture-flags.ts';
import { captureOptionsOf, filterOptionsOf } from './capture-request.ts';
import { offeredTimestampType } from './devices.ts';
import { exitCodeOf } from './exit-code.ts';

/** `refused`: what is wrong with values. Sets the exit code. `expression` may throw. */
export async function checkAndSay(
  flags: CaptureFlags,
  expression: () => string,
  refused: readonly OptionError[],
): Promise<void> {
  const findings = new Findings();
  for (const error of refused) findings.add(error);
  const filterOptions = filterOptionsOf(flags, (await findings.attempt(expression)) ?? '');
  const { device } = filterOptions;
  if (flags.waitForInterface) await findings.attempt(() => checkAwaited(device));
  const { j } = flags;
  const timestampType = j === undefined ? undefined : await findings.attempt(() => offeredTimestampType(device, j));
  const output = await findings.attempt(() => chooseOutput(flags, largestKept(flags)));
  const options = { ...captureOptionsOf(flags, filterOptions), timestampType, output };
  const awaited = flags.waitForInterface === true;
  const description = await checkCapture({ ...options, awaited, statsFile: flags.statsFile }, findings);
  const { problems, notes } = findings;
  for (const text of [...notes, ...problems.map(({ message }) => message)])
    process.stderr.write(`tsnetpcap: ${text}\n`);
  if (problems.length === 0) process.stdout.write(`tsnetpcap: ready to capture on ${description}\n`);
  process.exitCode = Math.max(0, ...problems.map(exitCodeOf));
}
