// The names of a series: from a time to a file name (strftime, in the zone of the series), and from a file name back to
// what it says. FileRing owns the files behind them and never touches one whose name `parse` does not know.
//
//   pcap-20261025020000  -1      .pcap          .gz         .part
//   strftime             suffix  extension      compressed  still being written
//                                last dot part
import { dirname } from 'node:path';
import { OptionError } from '../errors.ts';
import type { Zone } from '../native/time.ts';
import { ABBREVIATIONS, CONVERSIONS, secOf } from './conversions.ts';

export type Compression = 'gz' | 'zst';

export interface ParsedName {
  /** The time in the name, seconds since 1970, as `secOf` takes it; undefined where the name holds no date. */
  readonly sec: number | undefined;
  /** 0 for a name without one. */
  readonly suffix: number;
  readonly compression: Compression | undefined;
  /** A file still being written, or left so by a process that died. */
  readonly partial: boolean;
}

/** Where a compressed copy may stand in for NAME. */
export const COMPRESSED_EXTENSIONS: readonly string[] = ['.gz', '.zst'];
/** What the name of a file still being written ends with. */
export const PART = '.part';

export class SavefileName {
  /** As the pattern has it, without a slash at the end; `.` for the working directory. */
  readonly directory: string;
  /** What all its names have in common, for the files beside them: `pcap` for `pcap-%Y%m%d.pcap`; else `series`. */
  readonly series: string;
  /** As it was given. */
  readonly pattern: string;
  /** The pattern's last component, and whether it has an extension. */
  readonly #base: string;
  readonly #hasExtension: boolean;
  readonly #zone: Zone;
  readonly #regExp: RegExp;
  /** The conversion letters behind the groups c0, c1, … of the expression. */
  readonly #letters: string[] = [];

  /** `pattern`: a path, strftime conversions in its last component. @throws OptionError */
  constructor(pattern: string, zone: Zone) {
    const start = pattern.lastIndexOf('/') + 1;
    if (pattern.slice(0, start).replaceAll('%%', '').includes('%'))
      throw new OptionError('-w', pattern, 'only the file name takes conversions, in the directory write %% for %');
    this.#base = pattern.slice(start);
    if (['', '.', '..'].includes(this.#base)) throw new OptionError('-w', pattern, 'expected a file name at the end');
    this.directory = dirname(pattern).replaceAll('%%', '%');
    this.pattern = pattern;
    this.#zone = zone;
    const dot = this.#base.lastIndexOf('.');
    this.#hasExtension = dot > 0;
    const literal = (this.#hasExtension ? this.#base.slice(0, dot) : this.#base).replace(/%(.)/gs, separatorOf);
    this.series = literal.replace(/[-_.\s]+/g, '-').replace(/^-|-$/g, '') || 'series';
    const stem = this.#translate(this.#hasExtension ? this.#base.slice(0, dot) : this.#base);
    const extension = this.#translate(this.#hasExtension ? this.#base.slice(dot) : '');
    const ending = '(?:\\.(?<compression>gz|zst))?(?<partial>\\.part)?';
    this.#regExp = new RegExp(`^${stem}(?:-(?<suffix>[1-9]\\d{0,8}))?${extension}${ending}$`);
  }

  /** The file name for a savefile that starts at `sec`, seconds since 1970; without directory. */
  at(sec: number, suffix = 0): string {
    const text = this.#zone.format(this.#base, sec);
    const dot = this.#dotIn(text);
    const name = suffix === 0 ? text : `${text.slice(0, dot)}-${suffix}${text.slice(dot)}`;
    // A name that we would not know again could never be evicted. Only a zone with a strange name gets here.
    if (this.parse(name) === undefined) throw new OptionError('-w', this.pattern, `prints ${name} in this time zone`);
    return name;
  }

  /** The file name, of the series, without its suffix. */
  base(fileName: string): string {
    const { suffix = 0 } = this.parse(fileName) ?? {};
    const dot = this.#dotIn(fileName);
    return fileName.slice(0, suffix === 0 ? dot : dot - `-${suffix}`.length) + fileName.slice(dot);
  }

  /** The file name to try when this one, of the series, is taken. */
  next(fileName: string): string {
    const { suffix = 0 } = this.parse(fileName) ?? {};
    const base = this.base(fileName);
    const dot = this.#dotIn(base);
    return `${base.slice(0, dot)}-${suffix + 1}${base.slice(dot)}`;
  }

  /** What a file name without directory says, undefined when it is not one of this series. */
  parse(fileName: string): ParsedName | undefined {
    const groups = this.#regExp.exec(fileName)?.groups;
    if (groups === undefined) return undefined;
    const { suffix, compression, partial } = groups;
    const texts = new Map(this.#letters.map((letter, i) => [letter, groups[`c${i}`] ?? '']));
    return {
      sec: secOf(texts, this.#zone),
      suffix: Number(suffix ?? 0),
      compression: compression as Compression | undefined,
      partial: partial !== undefined,
    };
  }

  /** Where the extension begins. No conversion prints a dot, so that is at the pattern's last one. */
  #dotIn(fileName: string): number {
    return this.#hasExtension ? fileName.lastIndexOf('.') : fileName.length;
  }

  /** The source of a regular expression for what strftime makes of a part of the pattern. */
  #translate(part: string): string {
    const flat = part.replace(/%(.)/gs, (conversion, letter) => ABBREVIATIONS[letter] ?? conversion);
    return flat.replace(/%(.?)|[^%]/gs, (token, letter: string | undefined) => {
      if (letter === undefined) return literalSource(token);
      if (letter === '%') return '%';
      const source = CONVERSIONS[letter];
      if (source === undefined) {
        const known = [...Object.keys(ABBREVIATIONS), ...Object.keys(CONVERSIONS)].map((each) => `%${each}`).join(' ');
        throw new OptionError('-w', this.pattern, `%${letter} has no fixed shape, a name takes ${known} %%`);
      }
      return `(?<c${this.#letters.push(letter) - 1}>${source})`;
    });
  }
}

function separatorOf(_: string, letter: string): string {
  return letter === '%' ? '%' : '-';
}

function literalSource(literal: string): string {
  return literal.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
