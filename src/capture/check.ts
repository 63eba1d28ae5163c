// A capture tried without beginning it: everything that openCapture needs is asked for, in its order and as the user that it
// would go on as, and what can't be had is collected instead of thrown. No packet is let in, the interface stays as it is,
// and nothing is left on disk. Called by --check, in a process that does nothing else: it may become another user.
import { dirname } from 'node:path';
import { CaptureError } from '../errors.ts';
import { type CompiledFilter, compileFilter } from '../filter/compile.ts';
import { withDefaults } from '../filter/given.ts';
import { Program } from '../filter/program.ts';
import { wrongExpressions } from '../filter/without-device.ts';
import { loadCap } from '../native/cap.ts';
import { readNetDevice } from '../native/netdevice.ts';
import { checkDirectory, checkFile, checkSeries } from '../rotation/rehearsal.ts';
import type { Account } from '../service/account.ts';
import { checkCommand } from '../service/completion-command.ts';
import { chooseEngine } from './engine.ts';
import { describe, findAccount, openSource } from './open.ts';
import { CAPTURE_DEFAULTS, type CaptureOptions, type CaptureRequest } from './options.ts';
import type { OutputOptions } from './output-options.ts';

/** What was found: failures that would have ended the capture, and what a user should know besides. */
export class Findings {
  readonly problems: CaptureError[] = [];
  readonly notes: string[] = [];

  /** What `action` returns, undefined when it fails. Rejects with what is no CaptureError. */
  async attempt<T>(action: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await action();
    } catch (cause) {
      if (!(cause instanceof CaptureError)) throw cause;
      this.add(cause);
      return undefined;
    }
  }

  note(text: string): void {
    this.notes.push(text);
  }

  /** Two steps may fail for the same reason. */
  add(problem: CaptureError): void {
    if (!this.problems.some(({ message }) => message === problem.message)) this.problems.push(problem);
  }
}

export interface CheckRequest extends Omit<CaptureRequest, 'output'> {
  /** Undefined where that is wrong already. */
  readonly output: OutputOptions | undefined;
  /** The capture would wait for its interface. */
  readonly awaited: boolean;
  /** A file to be replaced now and then. */
  readonly statsFile: string | undefined;
}

/** Resolves to what the capture would say that it listens on; the interface alone where that could not be asked. */
export async function checkCapture(request: CheckRequest, findings: Findings): Promise<string> {
  const { output, awaited, statsFile, ...given } = request;
  const options = withDefaults(CAPTURE_DEFAULTS, given);
  const absent = awaited && options.device !== 'any' && readNetDevice(options.device)?.up !== true;
  if (absent) findings.note(`${options.device}: not there or not up, the capture would wait for it`);
  const filter = absent ? undefined : await findings.attempt(() => compileFilter(options));
  if (filter !== undefined) await checkSource(options, filter, findings);
  else
    await findings.attempt(() => {
      for (const wrong of wrongExpressions(options)) findings.add(wrong);
    });
  const account = await findings.attempt(() => findAccount(options.user));
  await checkOutput(output, account, findings);
  if (statsFile !== undefined) await findings.attempt(() => checkDirectory(dirname(statsFile)));
  return filter === undefined ? options.device : describe(filter);
}

/** A filter that keeps nothing: BPF_RET | BPF_K with k = 0. */
const NOTHING: Program = new Program(Uint8Array.of(0x06, 0, 0, 0, 0, 0, 0, 0));

async function checkSource(
  options: Omit<CaptureOptions, 'output'>,
  filter: CompiledFilter,
  findings: Findings,
): Promise<void> {
  for (const warning of filter.warnings) findings.note(warning);
  const { device, packetSocket, userSpace, snaplen, linktype } = filter;
  const engine = await findings.attempt(() => chooseEngine(options, device, packetSocket, userSpace !== undefined));
  if (engine === undefined) return;
  await findings.attempt(async () => {
    if (engine === 'cap') return void loadCap(); // what it opens is promiscuous
    const header = { precision: options.precision, snaplen, linktype };
    const still = { ...options, promiscuous: false };
    const nothing = { ...filter, program: NOTHING };
    (await openSource(engine, still, nothing, header, (text) => findings.note(text))).close();
  });
}

/** In the order of capture/open.ts: a single file is opened before the process is the user's. */
async function checkOutput(
  output: OutputOptions | undefined,
  account: Account | undefined,
  findings: Findings,
): Promise<void> {
  if (output?.kind === 'file' && output.path !== '-')
    await findings.attempt(() => checkFile(output.path, output.noClobber));
  await findings.attempt(() => account?.become());
  if (output === undefined || output.kind === 'file') return;
  const { command } = output;
  if (output.kind === 'series')
    for (const note of (await findings.attempt(() => checkSeries(output.name))) ?? []) findings.note(note);
  else {
    const { pattern, zone, durationSec } = output;
    const named =
      durationSec === Number.POSITIVE_INFINITY ? pattern : zone.format(pattern, Math.floor(Date.now() / 1000));
    await findings.attempt(() => checkDirectory(dirname(named)));
  }
  if (command !== undefined) await findings.attempt(() => checkCommand(command));
}
