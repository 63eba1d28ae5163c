// manifest.json of a bundle, as deploy/qubes/PROTOCOL.md has it: the vault wrote it, with facts that the source says of
// itself. It is checked as if anyone had written it, and what is not in the protocol is left out.
import { DamageError } from './bounds.ts';

export interface Manifest {
  readonly source: string;
  readonly kind: 'pcaps' | 'nft';
  /** The day of the run, `2026-11-24`. */
  readonly date: string;
  readonly id: string;
  /** Of what was asked for, ISO 8601 in UTC. */
  readonly since: string;
  readonly until: string;
  readonly lastGood: string | null;
  /** The bundle's name, without directory. */
  readonly file: string;
  readonly bytes: number;
  /** Of the bundle as it lies there. */
  readonly sha256: string;
  readonly encrypted: boolean;
  readonly facts: ReadonlyMap<string, string>;
}

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/;
const FORMS = {
  source: /^[A-Za-z][A-Za-z0-9_-]{0,30}$/,
  kind: /^(pcaps|nft)$/,
  date: /^\d{4}-\d{2}-\d{2}$/,
  id: /^[0-9TZ]{1,40}$/,
  since: TIME,
  until: TIME,
  file: /^(pcaps-\d{4}-\d{2}-\d{2}(-[1-9]\d{0,3})?\.tgz|nft-\d{4}-\d{2}-\d{2}(-[1-9]\d{0,3})?\.log\.gz)(\.age)?$/,
  sha256: /^[0-9a-f]{64}$/,
} as const;
const FACT = /^[a-z][a-z0-9_]{0,40}=[A-Za-z0-9_.:+/-]{0,100}$/;
const MOST_FACTS = 200;

/** `name`: of the manifest, for errors. @throws DamageError */
export function readManifest(text: string, name: string): Manifest {
  const value = parse(text, name);
  if (value['version'] !== 1) throw new DamageError(name, `version ${shown(value['version'])} is not 1`);
  const taken = (key: keyof typeof FORMS): string => {
    const member = value[key];
    if (typeof member !== 'string' || !FORMS[key].test(member))
      throw new DamageError(name, `${key} ${shown(member)} is not of the protocol`);
    return member;
  };
  const { last_good: lastGood, bytes, encrypted } = value;
  if (lastGood !== null && (typeof lastGood !== 'string' || !TIME.test(lastGood)))
    throw new DamageError(name, `last_good ${shown(lastGood)} is not of the protocol`);
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0)
    throw new DamageError(name, `bytes ${shown(bytes)} is no count`);
  if (typeof encrypted !== 'boolean') throw new DamageError(name, `encrypted ${shown(encrypted)} is not true or false`);
  const [kind, file] = [taken('kind') === 'nft' ? 'nft' : 'pcaps', taken('file')] as const;
  if (!file.startsWith(kind) || file.endsWith('.age') !== encrypted)
    throw new DamageError(name, `file ${file} is not of kind ${kind}, encrypted ${encrypted}`);
  return {
    source: taken('source'),
    kind,
    date: taken('date'),
    id: taken('id'),
    since: taken('since'),
    until: taken('until'),
    lastGood,
    file,
    bytes,
    sha256: taken('sha256'),
    encrypted,
    facts: readFacts(value['facts'], name),
  };
}

function parse(text: string, name: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DamageError(name, 'it is no JSON', { cause });
  }
  if (!isRecord(value)) throw new DamageError(name, 'it is no object');
  return value;
}

function readFacts(value: unknown, name: string): ReadonlyMap<string, string> {
  if (!isRecord(value)) throw new DamageError(name, 'facts are no object');
  const facts = Object.entries(value);
  if (facts.length > MOST_FACTS) throw new DamageError(name, `${facts.length} facts are more than ${MOST_FACTS}`);
  return new Map(
    facts.map(([key, fact]): [string, string] => {
      if (typeof fact !== 'string' || !FACT.test(`${key}=${fact}`))
        throw new DamageError(name, `the fact ${shown(key)} is not of the protocol`);
      return [key, fact];
    }),
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** As much of it as a line has room for. */
function shown(value: unknown): string {
  const text = typeof value === 'string' ? `'${value}'` : typeof value === 'object' ? 'of another type' : String(value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
