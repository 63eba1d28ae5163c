// Opens one day of one host for the index builder: savefiles and nft logs, wherever they lay, and what is known to be
// missing. What is broken or not as the protocol has it is left out with one line in `problems`, and the rest goes on; only
// what the machine itself refuses, such as a full disk, ends it. Nothing of an archive gets a path that it chose.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile as readWhole } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CaptureError, SyscallError } from '../../errors.ts';
import type { RecordReader } from '../../savefile/reading/record-run.ts';
import { BoundError } from '../bound-error.ts';
import { harmless } from '../harmless.ts';
import { NftLog, type NftRecord } from '../nft/log.ts';
import { decrypt } from './age.ts';
import { openBounded } from './bounded-savefile.ts';
import { type Bounds, DamageError, DEFAULT_BOUNDS } from './bounds.ts';
import { type FoundDay, localDay, readFile } from './days.ts';
import { type Gap, gapsOfLedgers, gapsOfManifest, missingSavefiles } from './gaps.ts';
import { gunzip } from './gunzip.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { bundleOf, isArchive, isManifest, isNftLog, isSavefile } from './names.ts';
import { readTar } from './tar.ts';
import { Temporary } from './temporary.ts';

export interface SavefileSource {
  /** Without directory; no two of a day have the same. */
  readonly name: string;
  readonly bytes: number;
  /** Each call reads it from its start. What it rejects with has one line that names host, day and savefile. */
  readonly open: () => Promise<RecordReader>;
}

export interface NftLogSource {
  readonly name: string;
  /** Its counts and problems are those of the last `read`. */
  readonly log: NftLog;
  readonly read: () => AsyncGenerator<readonly NftRecord[]>;
}

export interface DaySource {
  readonly host: string;
  readonly day: string;
  readonly savefiles: readonly SavefileSource[];
  readonly nftLogs: readonly NftLogSource[];
  readonly manifests: readonly Manifest[];
  readonly gaps: readonly Gap[];
  /** A line each, harmless: what was left out and why. */
  readonly problems: readonly string[];
  /** Removes what was unpacked; sources can't be read after it. */
  readonly close: () => void;
}

export interface OpenOptions {
  /** A file with an identity for `age`: without it encrypted bundles are left out, and said. */
  readonly identity?: string;
  /** Where to unpack; default the system's directory for such. */
  readonly temporary?: string;
  readonly bounds?: Bounds;
}

interface Piece {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

interface Archive extends Piece {
  /** What the names of the files in it begin with. */
  readonly prefix: string;
  /** How many entries it may have. */
  readonly most: number;
}

/** How many lines there may be of one bundle in `problems`. */
const MOST_PROBLEMS = 10;
const MS_PER_DAY = 86_400_000;

/** Rejects with SyscallError, and leaves nothing behind then. To be closed by the caller. */
export async function openDay(found: FoundDay, options: OpenOptions = {}): Promise<DaySource> {
  const opening = new Opening(found, options);
  try {
    return await opening.run();
  } catch (cause) {
    opening.close();
    throw cause;
  }
}

class Opening {
  readonly #found: FoundDay;
  readonly #options: OpenOptions;
  readonly #bounds: Bounds;
  readonly #temporary: Temporary;
  readonly #savefiles: Map<string, Piece> = new Map();
  readonly #nftLogs: Map<string, NftLogSource> = new Map();
  readonly #manifests: Map<string, Manifest> = new Map();
  readonly #gaps: Gap[] = [];
  readonly #problems: string[] = [];

  constructor(found: FoundDay, options: OpenOptions) {
    this.#found = found;
    this.#options = options;
    this.#bounds = options.bounds ?? DEFAULT_BOUNDS;
    this.#temporary = new Temporary(this.#bounds.dayBytes, options.temporary);
  }

  close(): void {
    this.#temporary.remove();
  }

  async run(): Promise<DaySource> {
    const { host, day, ledgers } = this.#found;
    const pieces = await this.#pieces();
    for (const piece of pieces)
      if (isManifest(piece.name)) await this.#attempt(piece.name, () => this.#addManifest(piece));
    const bundles = pieces.filter(({ name }) => bundleOf(name) !== undefined);
    for (const bundle of bundles) await this.#attempt(bundle.name, () => this.#addBundle(bundle));
    for (const { name, path, bytes } of pieces) {
      if (bundleOf(name) !== undefined) continue;
      if (isSavefile(name)) await this.#attempt(name, () => this.#addSavefile({ name, path, bytes }, name));
      else if (isNftLog(name)) this.#addNftLog({ name, path, bytes });
    }
    for (const manifest of this.#manifests.values()) this.#addAbout(manifest, bundles);
    const names = [...this.#savefiles.keys()];
    const said: Gap[] = [];
    if (ledgers !== undefined)
      await this.#attempt('ledger', async () => void said.push(...this.#ofThisDay(gapsOfLedgers(ledgers))));
    this.#gaps.push(...said, ...missingSavefiles(names).filter((gap) => !said.some((other) => covers(other, gap))));
    return {
      host,
      day,
      savefiles: [...this.#savefiles.values()]
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ name, path, bytes }) => ({
          name,
          bytes,
          open: () => openBounded(path, bytes, `${host} ${day}: ${name}`),
        })),
      nftLogs: [...this.#nftLogs.values()],
      manifests: [...this.#manifests.values()],
      gaps: this.#gaps,
      problems: this.#problems,
      close: () => this.close(),
    };
  }

  /** The bundles and manifests of the archive, or the files that lie about. */
  async #pieces(): Promise<Piece[]> {
    const { files, day } = this.#found;
    const all: Piece[] = [];
    for (const { path, bytes } of files) {
      const name = basename(path);
      if (!isArchive(name)) all.push({ name, path, bytes });
      else {
        const wanted = (inner: string): boolean => bundleOf(inner)?.day === day || isManifest(inner);
        const archive = { name, path, bytes, prefix: `${day}/`, most: this.#bounds.dayEntries };
        await this.#attempt(name, () => this.#unpack(archive, wanted, async (piece) => void all.push(piece)));
      }
    }
    return all;
  }

  async #addManifest({ name, path, bytes }: Piece): Promise<void> {
    const { manifestBytes } = this.#bounds;
    if (bytes > manifestBytes) throw new DamageError(name, `${bytes} bytes are more than ${manifestBytes}`);
    const manifest = readManifest(await readWhole(path, 'utf8'), name);
    const { host, day, ledgers } = this.#found;
    // Files that lie about have manifests of other days among them.
    if (ledgers !== undefined && manifest.date !== day) return;
    if (ledgers === undefined && (manifest.source !== host || manifest.date !== day))
      throw new DamageError(name, `it is of ${manifest.source} ${manifest.date}`);
    if (this.#manifests.has(manifest.file)) throw new DamageError(name, `a second one of ${manifest.file}`);
    this.#manifests.set(manifest.file, manifest);
  }

  async #addBundle(bundle: Piece): Promise<void> {
    const { kind, encrypted } = bundleOf(bundle.name) ?? { kind: 'pcaps', encrypted: false };
    await this.#check(bundle);
    const plain = encrypted ? await this.#decrypted(bundle) : bundle;
    if (kind === 'nft') this.#addNftLog(plain);
    else {
      const archive = { ...plain, prefix: 'netpcap/', most: this.#bounds.entries };
      await this.#unpack(archive, isSavefile, (savefile) => this.#addSavefile(savefile, bundle.name));
      this.#temporary.discard(plain);
    }
    if (encrypted) this.#temporary.discard(bundle);
  }

  /** Against its manifest. @throws DamageError */
  async #check({ name, path, bytes }: Piece): Promise<void> {
    const manifest = this.#manifests.get(name);
    if (manifest === undefined) {
      this.#say(name, 'no manifest has its SHA-256, so that it can not be checked');
      return;
    }
    if (manifest.bytes !== bytes)
      throw new DamageError(name, `${bytes} bytes are not the ${manifest.bytes} of its manifest`);
    if ((await hashOf(path)) !== manifest.sha256)
      throw new DamageError(name, 'its SHA-256 is not that of its manifest');
  }

  async #decrypted({ name, path }: Piece): Promise<Piece> {
    const { identity } = this.#options;
    if (identity === undefined) throw new DamageError(name, 'it is encrypted, and there is no identity to open it');
    const plain = name.replace(/\.age$/, '');
    const target = join(this.#temporary.subdirectory(), plain);
    return {
      name: plain,
      path: target,
      bytes: await this.#temporary.write(target, decrypt(path, identity, name), name),
    };
  }

  /** Takes from a gzip of a tar the regular files that are named `prefix` and a name that is `wanted`. */
  async #unpack(
    { name, path, prefix, most }: Archive,
    wanted: (name: string) => boolean,
    take: (piece: Piece) => Promise<void>,
  ): Promise<void> {
    const directory = this.#temporary.subdirectory();
    const taken = new Set<string>();
    const stream: AsyncIterable<Buffer> = createReadStream(path);
    let left = 0;
    const leaveOut = (what: string): void => {
      if (++left <= MOST_PROBLEMS) this.#say(name, `${what} is left out`);
    };
    try {
      for await (const entry of readTar(gunzip(stream, name, this.#bounds.bundleBytes), name, most)) {
        const inner = entry.name.startsWith(prefix) ? entry.name.slice(prefix.length) : '';
        if (entry.kind === 'directory' && `${entry.name.replace(/\/$/, '')}/` === prefix) continue;
        if (entry.kind !== 'file') leaveOut(`the ${entry.kind} ${entry.name.slice(0, 200)}`);
        else if (!wanted(inner)) leaveOut(`a file with the name ${entry.name.slice(0, 200)}`);
        else if (taken.has(inner)) leaveOut(`a second file with the name ${inner}`);
        else {
          taken.add(inner);
          const target = join(directory, inner);
          const bytes = await this.#temporary.write(target, entry.bytes(), name);
          await take({ name: inner, path: target, bytes });
        }
      }
    } finally {
      if (left > MOST_PROBLEMS) this.#say(name, `${left - MOST_PROBLEMS} further entries are left out`);
    }
  }

  /** `from`: the bundle. A savefile may be in two of them, when the first was not released. */
  async #addSavefile(piece: Piece, from: string): Promise<void> {
    const { entries } = this.#bounds;
    const before = this.#savefiles.get(piece.name);
    if (before === undefined) {
      if (this.#savefiles.size >= entries) throw new BoundError(from, 'savefiles for a day', entries);
      this.#savefiles.set(piece.name, piece);
      return;
    }
    if (before.bytes !== piece.bytes || (await hashOf(before.path)) !== (await hashOf(piece.path)))
      this.#say(from, `another savefile with the name ${piece.name} is left out`);
    this.#temporary.discard(piece);
  }

  #addNftLog({ name, path }: Piece): void {
    const { host, day } = this.#found;
    // Beside nft-DAY.log.gz may lie what someone has unpacked of it.
    const plain = name.replace(/\.gz$/, '');
    if (this.#nftLogs.has(plain)) return;
    const label = `${host} ${day}: ${name}`;
    this.#nftLogs.set(plain, openableLog(name, label, path, day, this.#bounds.bundleBytes));
  }

  #addAbout(manifest: Manifest, bundles: readonly Piece[]): void {
    this.#gaps.push(...gapsOfManifest(manifest));
    const there = bundles.some(({ name }) => name === manifest.file);
    // open-netlogs.sh leaves no bundle of savefiles where it has unpacked it.
    const unpacked = manifest.kind === 'pcaps' && this.#savefiles.size > 0;
    const plain = this.#nftLogs.has(manifest.file.replace(/\.gz(\.age)?$/, ''));
    if (there || unpacked || plain || manifest.facts.get('files') === '0') return;
    this.#say(manifest.file, 'there is a manifest of it, and no bundle');
    this.#gaps.push({ ...this.#spanOf(manifest.file), kind: 'missing', about: `no bundle ${manifest.file}` });
  }

  #ofThisDay(gaps: readonly Gap[]): Gap[] {
    const { day } = this.#found;
    return gaps.filter(({ fromMs, toMs }) => localDay(fromMs) <= day && localDay(toMs) >= day);
  }

  /** What is wrong with one of them, also that it can't be read, is said and leaves a gap. Rejects with what is not its fault. */
  async #attempt(name: string, action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (thrown) {
      const cause = SyscallError.from(thrown, name);
      if (!(cause instanceof CaptureError)) throw cause;
      if (cause instanceof SyscallError && this.#temporary.holds(cause.path)) throw cause;
      const text = harmless(cause.message);
      this.#problems.push(`${this.#found.host} ${this.#found.day}: ${text}`);
      this.#gaps.push({ ...this.#spanOf(name), kind: 'damaged', about: text });
    }
  }

  /** Of a bundle as its manifest says, else of the day. */
  #spanOf(name: string): { fromMs: number; toMs: number } {
    const manifest = this.#manifests.get(name);
    if (manifest !== undefined) return { fromMs: Date.parse(manifest.since), toMs: Date.parse(manifest.until) };
    const fromMs = Date.parse(this.#found.day);
    return { fromMs, toMs: fromMs + MS_PER_DAY };
  }

  #say(name: string, text: string): void {
    this.#problems.push(harmless(`${this.#found.host} ${this.#found.day}: ${name}: ${text}`));
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path) as AsyncIterable<Buffer>) hash.update(piece);
  return hash.digest('hex');
}

function covers(outer: Gap, inner: Gap): boolean {
  return outer.fromMs <= inner.fromMs && outer.toMs >= inner.toMs;
}

function openableLog(name: string, label: string, path: string, day: string, most: number): NftLogSource {
  const fresh = (): NftLog => new NftLog(label, { day });
  let log = fresh();
  return {
    name,
    get log(): NftLog {
      return log;
    },
    read: () => {
      log = fresh();
      return log.read(readFile(path, most, label));
    },
  };
}
