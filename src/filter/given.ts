// What a caller gave, of options that may be left out: defaults for the others, and bounds that the types of TypeScript
// can't hold. Called by compile.ts and capture/, before anything is opened.
import { OptionError } from '../errors.ts';

/** Options that may be left out, or be undefined, where there is a default. */
export type Given<Options> = { readonly [Name in keyof Options]?: Options[Name] | undefined };

/** `given`, and of `defaults` what it does not say. */
export function withDefaults<Options extends object>(defaults: Options, given: Given<Options>): Options {
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(said) };
}

/** `text`: how the user wrote it. @throws OptionError unless it is a whole number from `min` to `max` */
export function checkWhole(
  option: string,
  value: number,
  min: number,
  max: number,
  text: string = String(value),
): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new OptionError(option, text, `expected a whole number from ${min} to ${max}`);
}
