// The names of what may lie in a day, and nothing else is looked at.

/** Of a source and of a savefile: no name of either begins with a dot or a dash, or has a space or a slash. */
const SAVEFILE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}\.(pcap|pcapng|cap)(\.gz|\.zst)?$/;
const HOST = /^[A-Za-z][A-Za-z0-9_-]{0,30}$/;
const BUNDLE = /^(?<kind>pcaps|nft)-(?<day>\d{4}-\d{2}-\d{2})(-[1-9]\d{0,3})?(?<end>\.tgz|\.log\.gz)(?<age>\.age)?$/;
const MANIFEST = /^manifest(-[1-9]\d{0,3})?\.json$/;
const LOG = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}\.(log|txt|json|export)(\.gz)?$/;

export const isSavefile = (name: string): boolean => SAVEFILE.test(name);
export const isHost = (name: string): boolean => HOST.test(name);
export const isManifest = (name: string): boolean => MANIFEST.test(name);
/** A nft log that is not encrypted; also one that a person has saved. */
export const isNftLog = (name: string): boolean => LOG.test(name) && !MANIFEST.test(name);
/** A day that is in the calendar. */
export const isDay = (name: string): boolean =>
  /^\d{4}-\d{2}-\d{2}$/.test(name) && !Number.isNaN(Date.parse(name)) && new Date(name).toISOString().startsWith(name);

/** Undefined when it is no name of a bundle. */
export function bundleOf(name: string): { kind: 'pcaps' | 'nft'; day: string; encrypted: boolean } | undefined {
  const { kind, day = '', end, age } = BUNDLE.exec(name)?.groups ?? {};
  if (end === undefined || (kind === 'pcaps') !== (end === '.tgz')) return undefined;
  return { kind: kind === 'nft' ? 'nft' : 'pcaps', day, encrypted: age !== undefined };
}

/** SOURCE.tgz with all of a day; a bundle in it ends like this, too. */
export const isArchive = (name: string): boolean =>
  name.endsWith('.tgz') && isHost(name.slice(0, -'.tgz'.length)) && bundleOf(name) === undefined;
