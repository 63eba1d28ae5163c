// A row of a command's option table, and how commander is told of it. The tables (capture-flags.ts) are data: --help, the
// manual's test and the comparison with tcpdump read them, too.
import { type Command, Option } from 'commander';
import { OptionError } from '../errors.ts';

/** `Values`: what the command is given, by name. */
export interface Flag<Values> {
  /** The property that its value becomes. */
  readonly name: keyof Values & string;
  /** As in `-s`. */
  readonly letter?: string;
  /** Without dashes. */
  readonly long?: readonly string[];
  /** The words that it takes, for completion in a shell; where there are others, those that are likely. */
  readonly words?: readonly string[];
  /** What follows it, for --help; a flag without it is given or not. */
  readonly value?: string;
  /** The value of one that is given without a text; default true. */
  readonly gives?: unknown;
  readonly help: string;
  /** The heading in --help that it stands below. */
  readonly group: string;
  /** Turns the text into the value. `option` is what the user called it. @throws OptionError */
  readonly parse?: (option: string, text: string) => unknown;
  /** May be repeated: the value is how often it was given, or what was given, in order. Otherwise the last one holds. */
  readonly repeat?: 'count' | 'list';
  /** The value when it is not given, and how --help shows it. */
  readonly default?: readonly [value: unknown, shown?: string];
  /** The name of a flag that can't be given with it. */
  readonly conflicts?: keyof Values & string;
  /** tcpdump has it, by its letter, or without one by its long name; it means the same there. Otherwise it is ours. */
  readonly tcpdump?: true;
  /** It is about how tcpdump prints packets, and taken without effect. */
  readonly printing?: true;
}

/** `-s`, `--snaplen`, `--snapshot-length`. */
export function spellings({ letter, long = [] }: Pick<Flag<unknown>, 'letter' | 'long'>): string[] {
  return [...(letter === undefined ? [] : [`-${letter}`]), ...long.map((name) => `--${name}`)];
}

/** commander has one name or two for an option, and does not say by which it was called: so each is an option of its own. */
class Spelling<Values> extends Option {
  readonly #name: string;

  constructor(spelling: string, flag: Flag<Values>, refused: Refused<Values>) {
    super(flag.value === undefined ? spelling : `${spelling} <${flag.value}>`, flag.help);
    this.#name = flag.name;
    this.negate = false; // which commander makes of `--no-`
    if (flag.default !== undefined) this.default(...flag.default);
    if (flag.conflicts !== undefined) this.conflicts(flag.conflicts);
    this.argParser((text: string | undefined, before: unknown) => {
      if (flag.repeat === 'count') return (typeof before === 'number' ? before : 0) + 1;
      let value: unknown;
      try {
        value = text === undefined ? (flag.gives ?? true) : (flag.parse?.(spelling, text) ?? text);
      } catch (cause) {
        if (!(cause instanceof OptionError)) throw cause;
        refused(cause, flag.name);
        return before;
      }
      return flag.repeat === 'list' ? [...(Array.isArray(before) ? before : []), value] : value;
    });
  }

  override attributeName(): string {
    return this.#name;
  }
}

/** Is told of a value that is not allowed. */
type Refused<Values> = (error: OptionError, name: keyof Values & string) => void;

function raise(error: OptionError): never {
  throw error;
}

/**
 * Adds the rows, in their order. In --help each is shown by its letter and first long name, and those for printing are left
 * out. `help` and `version` are commander's own: their rows are for their words. `refused`: called with what a value is
 * refused for, and throws it by default; where it returns, the option has the
 * value that it had before, or '' if that was none.
 */
export function addFlags<Values>(
  command: Command,
  flags: readonly Flag<Values>[],
  version: string,
  refused: Refused<Values> = raise,
): void {
  const terms = new Map<string, string>();
  for (const flag of flags) {
    const names = spellings(flag);
    const term = names.slice(0, flag.letter === undefined ? 1 : 2).join(', ');
    if (flag.name === 'help') command.addHelpOption(new Option(term, flag.help).helpGroup(flag.group));
    else if (flag.name === 'version') command.version(version, term, flag.help).options.at(-1)?.helpGroup(flag.group);
    else {
      const options = names.map((name) => new Spelling(name, flag, refused).helpGroup(flag.group));
      options.forEach((option, index) => {
        command.addOption(option.hideHelp(index > 0 || flag.printing === true));
      });
      terms.set(options[0]?.flags ?? '', flag.value === undefined ? term : `${term} <${flag.value}>`);
    }
  }
  command.configureHelp({ optionTerm: (option) => terms.get(option.flags) ?? option.flags });
}

/**
 * Writes out long options that were abbreviated, as getopt_long(3) allows. What is unique in tcpdump means the same here,
 * whatever we have beside it. An abbreviation of several, or of nothing, is left for commander to refuse.
 */
export function expandAbbreviations<Values>(args: readonly string[], flags: readonly Flag<Values>[]): string[] {
  const expanded: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (arg === '--') return [...expanded, ...args.slice(at)];
    const option = arg.startsWith('--') ? expandLong(arg, flags) : arg;
    expanded.push(option);
    // Whatever it looks like, the value of an option is none itself.
    if (valueFollows(option, flags) && at + 1 < args.length) expanded.push(args[++at] ?? '');
  }
  return expanded;
}

function expandLong<Values>(arg: string, flags: readonly Flag<Values>[]): string {
  const [, given = '', value = ''] = /^--([^=]+)(=.*)?$/s.exec(arg) ?? [];
  if (flags.some(({ long }) => long?.includes(given))) return arg;
  const meant = flags.filter(({ long }) => long?.some((name) => name.startsWith(given)));
  const [flag, ...others] = meant.some(({ tcpdump }) => tcpdump) ? meant.filter(({ tcpdump }) => tcpdump) : meant;
  const name = flag?.long?.find((long) => long.startsWith(given));
  return name === undefined || others.length > 0 ? arg : `--${name}${value}`;
}

/** Of `-nns 96` the argument that follows is the value, of `-nns96` it is not. */
function valueFollows<Values>(arg: string, flags: readonly Flag<Values>[]): boolean {
  if (arg.startsWith('--')) return flags.some(({ long, value }) => value !== undefined && long?.includes(arg.slice(2)));
  if (!arg.startsWith('-')) return false;
  const letters = [...arg.slice(1)];
  const valued = letters.findIndex((each) => flags.some(({ letter, value }) => value !== undefined && letter === each));
  return valued >= 0 && valued === letters.length - 1;
}
