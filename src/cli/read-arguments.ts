// The words of `tsnetpcap read`: files and directories first, then the expression. What exists is a file, up to `--` or the
// first word that does not; that one must not look like a path, or a mistyped name would become a filter.
import { statSync } from 'node:fs';
import { OptionError } from '../errors.ts';

export interface ReadArguments {
  /** At least one; `-` is standard input. */
  readonly inputs: readonly { readonly name: string; readonly directory: boolean }[];
  readonly expression: string;
}

/** `words`: without options; `afterDashes`: how many of the last of them came behind `--`. @throws OptionError */
export function parseReadArguments(words: readonly string[], afterDashes: number): ReadArguments {
  const inputs: { name: string; directory: boolean }[] = [];
  const last = words.length - afterDashes;
  let at = 0;
  for (; at < last; at++) {
    const name = words[at] ?? '';
    const stat = name === '-' ? undefined : statSync(name, { throwIfNoEntry: false });
    if (name !== '-' && stat === undefined) break;
    inputs.push({ name, directory: stat?.isDirectory() === true });
  }
  const [first] = words.slice(at);
  if (first !== undefined && (at === last ? inputs.length === 0 : looksLikePath(first) || inputs.length === 0))
    throw new OptionError('read', first, 'no such file or directory; files come before the expression');
  if (inputs.length === 0) throw new OptionError('read', '', 'expected a file or a directory to read');
  return { inputs, expression: words.slice(at).join(' ') };
}

/** No expression begins so. */
function looksLikePath(word: string): boolean {
  return /^\S*(\/|\.(pcap|pcapng|cap))\S*$/.test(word);
}
