// Makes and renews the index of days: one partition after the other, of which those whose sources are as they were are
// passed over, and of the others only savefiles that are new are read. The commands of netlogs call it before they ask.
// What is damaged is indexed as far as it goes and said; what the machine refuses, such as a full disk, ends it, and the
// partition stays as it was.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CaptureError, SyscallError } from '../../errors.ts';
import type { DaySource, SavefileSource } from '../bundle/day-source.ts';
import type { FoundDay } from '../bundle/days.ts';
import { asTrouble, type Database, openDatabase } from './duckdb.ts';
import { mergeFlows } from './merge.ts';
import { nftRow } from './nft-row.ts';
import { DESCRIPTION, INDEX, type IndexedSource, namesIn, partitionPath, readDescription } from './partition.ts';
import { cleanUp, putInPlace, takeOver, workFolder } from './partition-folder.ts';
import { type IndexedSavefile, SavefileIndexer } from './savefile-indexer.ts';
import { type Row, VERSION } from './schema.ts';
import { TableWriter } from './table-writer.ts';

/** One day of one host. */
export interface IndexableDay extends Pick<FoundDay, 'host' | 'day' | 'fingerprint'> {
  /** Is closed by the builder. A savefile with the name and size of one that was indexed is that one. */
  readonly open: () => Promise<Omit<DaySource, 'host' | 'day'>>;
}

/** Told now and then while a day is indexed. */
export interface Progress {
  readonly host: string;
  readonly day: string;
  /** Of all savefiles that have to be read, and read so far. */
  readonly bytes: number;
  readonly bytesDone: number;
  readonly packets: number;
  /** What is under way: a savefile's name, a log's, or `flows`. */
  readonly about: string;
}

export interface BuildResult {
  /** Partitions that were made, and those that were as they should be. */
  readonly built: number;
  readonly unchanged: number;
  readonly packets: number;
  /** A line each, also of unchanged partitions: what of a day could not be read. */
  readonly problems: readonly string[];
}

/** Of DuckDB; the flow table and the program itself have 200 MB besides. */
const MEMORY_LIMIT = '400MB';
const THREADS = 2;

/**
 * Indexes `days` below `root`. Rejects with CaptureError without DuckDB, when a day's sources can't be opened, or with what
 * the machine refuses; days before that are indexed then.
 */
export async function buildIndex(
  root: string,
  days: readonly IndexableDay[],
  progress: (progress: Progress) => void = () => {},
): Promise<BuildResult> {
  await mkdir(join(root, INDEX), { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
    throw SyscallError.from(cause);
  });
  await cleanUp(root);
  let [built, unchanged, packets] = [0, 0, 0];
  const problems: string[] = [];
  for (const day of days) {
    const description = await readDescription(partitionPath(root, day.host, day.day));
    if (description?.fingerprint === day.fingerprint) {
      unchanged++;
      problems.push(...description.problems);
      continue;
    }
    const result = await new PartitionBuild(root, day, progress).run(description?.savefiles ?? []);
    built++;
    packets += result.packets;
    problems.push(...result.problems);
  }
  return { built, unchanged, packets, problems };
}

type Opened = Awaited<ReturnType<IndexableDay['open']>>;

class PartitionBuild {
  readonly #root: string;
  readonly #day: IndexableDay;
  readonly #place: string;
  readonly #work: string;
  readonly #folder: string;
  readonly #report: (progress: Progress) => void;
  #bytes = 0;
  #bytesDone = 0;
  #packets = 0;

  constructor(root: string, day: IndexableDay, report: (progress: Progress) => void) {
    this.#root = root;
    this.#day = day;
    this.#report = report;
    this.#place = partitionPath(root, day.host, day.day);
    this.#work = workFolder(root);
    this.#folder = join(this.#work, 'partition');
  }

  /** `before`: the savefiles of the partition that is there. */
  async run(before: readonly IndexedSource[]): Promise<{ packets: number; problems: string[] }> {
    const opened = await this.#day.open();
    let database: Database | undefined;
    try {
      await mkdir(this.#folder, { recursive: true });
      database = await openDatabase(join(this.#work, 'temporary'), MEMORY_LIMIT, THREADS);
      const problems = [...opened.problems];
      const savefiles = await this.#savefiles(database, opened.savefiles, before, problems);
      this.#say('flows');
      await mergeFlows(database, this.#folder);
      await this.#nft(database, opened, problems);
      await this.#about(database, opened, savefiles);
      const description = { version: VERSION, fingerprint: this.#day.fingerprint, savefiles, problems };
      await writeFile(join(this.#folder, DESCRIPTION), `${JSON.stringify(description)}\n`);
      await putInPlace(this.#root, this.#work, this.#folder, this.#place);
      return { packets: this.#packets, problems };
    } catch (cause) {
      throw asTrouble(cause);
    } finally {
      database?.close();
      opened.close();
      await rm(this.#work, { recursive: true, force: true });
    }
  }

  async #savefiles(
    database: Database,
    sources: readonly SavefileSource[],
    before: readonly IndexedSource[],
    problems: string[],
  ): Promise<IndexedSource[]> {
    const there = await namesIn(this.#place);
    const known = new Map(before.map((each) => [`${each.bytes} ${each.name}`, each]));
    let next = Math.max(-1, ...before.map(({ file }) => file)) + 1;
    const work = sources.map((source) => {
      const indexed = known.get(`${source.bytes} ${source.name}`);
      return { source, indexed, file: indexed?.file ?? next++ };
    });
    this.#bytes = work.reduce((sum, { source, indexed }) => sum + (indexed === undefined ? source.bytes : 0), 0);
    const files = await TableWriter.create(database, 'files');
    const indexer = await SavefileIndexer.create(database, this.#folder);
    const indexedNow: IndexedSource[] = [];
    let newest: number | undefined;
    try {
      for (const { source, indexed, file } of work) {
        if (indexed === undefined) newest = file;
        const now = indexed ?? (await this.#index(indexer, file, source));
        if (indexed !== undefined) await this.#takeOver(there, file);
        files.add(now.row);
        indexedNow.push(now);
      }
      if (newest !== undefined) await indexer.finish(newest);
    } finally {
      await indexer.settled();
    }
    problems.push(...indexedNow.flatMap(({ row }) => row.damage ?? []));
    await files.writeTo(join(this.#folder, 'files.parquet'));
    return indexedNow;
  }

  async #index(indexer: SavefileIndexer, file: number, source: SavefileSource): Promise<IndexedSource> {
    const { name, bytes, open } = source;
    this.#say(name);
    const result = await indexer.index(file, open, (packets) => {
      this.#packets += packets;
      this.#say(name);
    });
    this.#bytesDone += bytes;
    return { file, name, bytes, row: fileRow(file, source, result) };
  }

  /** What the partition that is `there` has of a savefile. */
  async #takeOver(there: readonly string[], file: number): Promise<void> {
    const own = new RegExp(`^[a-z]+-${file}(-\\d+)*\\.parquet$`);
    for (const name of there) if (own.test(name)) await takeOver(join(this.#place, name), join(this.#folder, name));
  }

  async #nft(database: Database, { nftLogs }: Opened, problems: string[]): Promise<void> {
    const writer = await TableWriter.create(database, 'nft');
    for (const source of nftLogs) {
      this.#say(source.name);
      try {
        for await (const records of source.read()) for (const record of records) writer.add(nftRow(record));
        problems.push(...source.log.problems());
      } catch (cause) {
        if (!(cause instanceof CaptureError)) throw cause;
        problems.push(cause.message);
      }
    }
    await writer.writeTo(join(this.#folder, 'nft.parquet'), 'time');
  }

  async #about(database: Database, opened: Opened, savefiles: readonly IndexedSource[]): Promise<void> {
    const gaps = await TableWriter.create(database, 'gaps');
    for (const { fromMs, toMs, kind, count, about } of opened.gaps)
      gaps.add({ from: fromMs * 1000, to: toMs * 1000, kind, count, about });
    for (const { row } of savefiles)
      if (row.damage !== undefined) gaps.add({ from: row.last, kind: 'damaged', about: row.damage });
    await gaps.writeTo(join(this.#folder, 'gaps.parquet'));
    const manifests = await TableWriter.create(database, 'manifests');
    for (const { since, until, lastGood, ...manifest } of opened.manifests)
      manifests.add({
        ...manifest,
        since: Date.parse(since) * 1000,
        until: Date.parse(until) * 1000,
        last_good: lastGood === null ? null : Date.parse(lastGood) * 1000,
      });
    await manifests.writeTo(join(this.#folder, 'manifests.parquet'));
  }

  #say(about: string): void {
    const { host, day } = this.#day;
    this.#report({ host, day, bytes: this.#bytes, bytesDone: this.#bytesDone, packets: this.#packets, about });
  }
}

function fileRow(file: number, { name, bytes }: SavefileSource, result: IndexedSavefile): Row<'files'> {
  const { packets, firstUs, lastUs, linktype, snaplen, damage } = result;
  return { file, name, bytes, packets, first: firstUs, last: lastUs, linktype, snaplen, damage };
}
