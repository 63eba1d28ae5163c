// What is done with a savefile once it is complete, in the background and one file after the other: its hash for the
// ledger, its compressed copy, the completion command. A failure here costs no packet: it is told, and the file stays.
//
//   NAME                           hash
//   NAME, NAME.gz.part             the copy is written and synced
//                                  ledger: compress
//   NAME.gz.part                   unlink NAME: more than `keep` complete files are never seen
//   NAME.gz                        rename, until it works; after a crash before it, the next start does
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CaptureError, FormatError, SyscallError } from '../errors.ts';
import type { CompletionCommand } from '../service/completion-command.ts';
import { Background } from './background.ts';
import { compressFile } from './compression.ts';
import type { CompressionFormat } from './compression-format.ts';
import { hashFile } from './digest.ts';
import { exists } from './exists.ts';
import type { Ledger } from './ledger.ts';
import { PART } from './name.ts';
import { savefileChunks, scanSavefile } from './savefile-scan.ts';
import type { CompleteFile, LeftCopy } from './stock.ts';

export interface FinisherOptions {
  readonly directory: string;
  readonly ledger: Ledger | undefined;
  /** Of new files, less the umask. */
  readonly fileMode: number;
  readonly compress: CompressionFormat | undefined;
  readonly command: CompletionCommand | undefined;
  /** What a user should know, one line. */
  readonly notice: (text: string) => void;
}

export class Finisher {
  readonly #options: FinisherOptions;
  readonly #background: Background;

  constructor(options: FinisherOptions) {
    this.#options = options;
    this.#background = new Background(options.notice, 'compressed savefiles wait as .part');
  }

  add(file: CompleteFile): void {
    this.#background.add(() => this.#finish(file));
  }

  /** From now on nothing is tried again. */
  hurry(): void {
    this.#background.hurry();
  }

  /** Resolves when all that was added is done, commands included. */
  async settled(): Promise<void> {
    const failure = await this.#background.settled();
    await this.#options.command?.settled();
    if (failure !== undefined) throw failure;
  }

  /** Completes the copy that a process left that died, or removes it where it is of no use, its `file` then gone. */
  async takeOver({ name, fileName, file }: LeftCopy): Promise<void> {
    const path = join(this.#options.directory, fileName);
    await this.#trying(name, async () => {
      if (file?.gone === false && (await isWhole(path))) return this.#rename(file);
      if (file !== undefined) file.gone = true;
      await rm(path, { force: true });
    });
  }

  async #finish(file: CompleteFile): Promise<void> {
    const { directory, ledger, compress, command } = this.#options;
    await this.#trying(file.name, async () => {
      if (file.gone) return;
      if (ledger !== undefined && file.fileName === file.name) {
        const digest = await hashFile(join(directory, file.name));
        await ledger.append({ type: 'hash', name: file.name, ...digest });
      }
      if (compress !== undefined && file.fileName === file.name && !file.gone) await this.#compress(file, compress);
    });
    if (!file.gone && !file.fileName.endsWith(PART)) command?.run(join(directory, file.fileName));
  }

  async #compress(file: CompleteFile, format: CompressionFormat): Promise<void> {
    const { directory, ledger, fileMode } = this.#options;
    const { as, ...digest } = await compressFile(directory, file.name, format, fileMode);
    if (!file.gone) await ledger?.append({ type: 'compress', name: file.name, as, ...digest }, true);
    if (file.gone) return rm(join(directory, as + PART), { force: true }); // under this name nobody looked for it
    const replaced = this.#replace(file, as, digest.bytes);
    file.replacing = replaced.catch(() => {});
    await replaced;
  }

  async #replace(file: CompleteFile, as: string, bytes: number): Promise<void> {
    const { directory } = this.#options;
    try {
      await rm(join(directory, file.name));
    } catch (cause) {
      if (!exists(join(directory, file.name))) await rm(join(directory, as + PART)); // it was released meanwhile
      throw cause;
    }
    file.fileName = as + PART;
    file.bytes = bytes;
    await this.#rename(file);
  }

  /** NAME.gz.part to NAME.gz, when there is no NAME any more. */
  async #rename(file: CompleteFile): Promise<void> {
    const path = join(this.#options.directory, file.fileName);
    const fileName = file.fileName.slice(0, -PART.length);
    const step = (): Promise<void> => rename(path, join(this.#options.directory, fileName));
    await this.#background.persist(step, () => file.gone || !exists(path));
    file.fileName = fileName;
  }

  async #trying(name: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (cause) {
      const error = SyscallError.from(cause);
      if (!(error instanceof CaptureError)) throw error;
      if (error.code !== 'ENOENT') this.#options.notice(`${error.message}: ${name} stays as it is`);
    }
  }
}

/** @throws CaptureError when that can't be told, which is no reason to delete it */
async function isWhole(copy: string): Promise<boolean> {
  try {
    const { header, rest } = await scanSavefile(savefileChunks(copy));
    return typeof header === 'object' && rest === 'none';
  } catch (cause) {
    if (cause instanceof FormatError) return false;
    throw cause;
  }
}
