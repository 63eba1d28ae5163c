// Puts together the files of -C, -G and -W, and says once what those who come from other programs expect of -W.
import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import { systemErrors } from '../errors.ts';
import type { FileHeader } from '../savefile/header.ts';
import { TcpdumpFiles, type TcpdumpFilesOptions } from '../savefile/tcpdump-files.ts';
import { CompletionCommand } from '../service/completion-command.ts';
import type { SeriesContext } from './open-series.ts';
import type { TcpdumpOutput } from './output-options.ts';

/** @throws SyscallError, CaptureError */
export function openTcpdumpFiles(
  output: TcpdumpOutput,
  header: FileHeader,
  count: number,
  context: Omit<SeriesContext, 'counts'> & Pick<TcpdumpFilesOptions, 'guard'>,
): TcpdumpFiles {
  const { command: program, files, fullAt } = output;
  const { notice, startMs } = context;
  if (files !== undefined && fullAt === Number.POSITIVE_INFINITY)
    notice(`-W with -G stops after ${files} files; --ring ${files} keeps the last ${files}`);
  const command = program === undefined ? undefined : new CompletionCommand(program, notice);
  const opened = new TcpdumpFiles({ ...output, ...context, command }, header, count, startMs);
  // The first file may have been there. Better no capture than one that ends at the second.
  systemErrors(() => accessSync(dirname(opened.name), constants.W_OK | constants.X_OK));
  return opened;
}
