// What the lab's qvm-run, qvm-check and so on do: the options, exit codes and quoting of Qubes' own (qvm_run.py and the
// like of qubes-core-admin-client, 4.2 and 4.3), as far as scripts of ours and of the document use them.
import type { Qube } from './qube.ts';

/** What is to be run on the host for a client in dom0. */
export interface Call {
  readonly argv: readonly string[];
  /** Comes to its stdin before the client's. */
  readonly input: string;
  /** The client's stdio is passed through. */
  readonly io: boolean;
}

/** The lab's other qubes by their names. */
export type Qubes = ReadonlyMap<string, Qube>;

/** Ends a call with what Qubes' program would say and its exit code. */
class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const VALUED = new Set(['-u', '--user', '--raw-data', '--fields', '-O', '--timeout']);

interface Words {
  readonly options: ReadonlyMap<string, string>;
  readonly rest: readonly string[];
}

/** Argparse, for options before the first positional argument. `-pu root` is `-p -u root`. */
function read(words: readonly string[], valued: ReadonlySet<string> = VALUED): Words {
  const options = new Map<string, string>();
  const left = [...words];
  for (;;) {
    const word = left[0];
    if (word === undefined || word === '-' || !word.startsWith('-')) return { options, rest: left };
    left.shift();
    if (word === '--') return { options, rest: left };
    const [name = '', value] = word.startsWith('--') ? word.split(/=(.*)/s) : [word];
    const letters = name.startsWith('--') ? [name] : [...name.slice(1)].map((letter) => `-${letter}`);
    for (const option of letters) options.set(option, value ?? (valued.has(option) ? (left.shift() ?? '') : ''));
  }
}

const has = (options: ReadonlyMap<string, string>, ...names: readonly string[]): boolean =>
  names.some((name) => options.has(name));

function find(qubes: Qubes, name: string | undefined): Qube {
  const qube = qubes.get(name ?? '');
  if (qube === undefined) throw new Refusal(2, `error: no such domain: '${name}'`);
  return qube;
}

async function run(words: readonly string[], qubes: Qubes): Promise<Call> {
  const valued = new Set(['-u', '--user']);
  const { options, rest } = read(words, valued);
  const [name, ...after] = rest;
  const qube = find(qubes, name);
  const argv = after[0] === '--' ? after.slice(1) : after;
  const [command] = argv;
  if (command === undefined) throw new Refusal(2, 'error: the following arguments are required: COMMAND');
  if (!qube.running) {
    if (has(options, '-n', '--no-auto', '--no-autostart'))
      throw new Refusal(1, `error: domain '${name}' is not running`);
    await qube.start();
  }
  const user = options.get('-u') ?? options.get('--user') ?? 'user';
  const io = has(options, '-p', '--pass-io');
  if (has(options, '--service')) {
    const [service = '', argument = ''] = command.split(/\+(.*)/s);
    const places = ['/usr/local/etc/qubes-rpc', '/etc/qubes-rpc'];
    const script = `for d in ${places.join(' ')}; do [ ! -x "$d/$0" ] || exec "$d/$0" $1; done; exit 127`;
    return { argv: qube.command(['sh', '-c', script, service, argument], user), input: '', io };
  }
  if (argv.length > 1 || has(options, '--no-shell')) return { argv: qube.command(argv, user), input: '', io };
  return { argv: qube.command(['/bin/bash'], user), input: `${command}; exit\n`, io };
}

type Command = (words: readonly string[], qubes: Qubes) => Promise<Call | string>;

async function check(words: readonly string[], qubes: Qubes): Promise<string> {
  const { options, rest } = read(words);
  const qube = qubes.get(rest[0] ?? '');
  if (qube === undefined) throw new Refusal(1, 'non-existent!');
  if (has(options, '--running') && !qube.running) throw new Refusal(1, `${qube.name} is not running`);
  return '';
}

async function list(words: readonly string[], qubes: Qubes): Promise<string> {
  const { options, rest } = read(words, new Set(['--fields', '-O']));
  const shown = rest.length === 0 ? [...qubes.values()] : rest.map((name) => find(qubes, name));
  const field = (qube: Qube, name: string): string =>
    ({ NAME: qube.name, STATE: qube.running ? 'Running' : 'Halted', CLASS: qube.klass })[name] ?? '-';
  const fields = (options.get('--fields') ?? options.get('-O') ?? 'NAME,STATE,CLASS').toUpperCase().split(',');
  return shown.map((qube) => `${fields.map((name) => field(qube, name)).join('|')}\n`).join('');
}

async function features(words: readonly string[], qubes: Qubes): Promise<string> {
  const { options, rest } = read(words, new Set());
  const [name, feature = '', value] = rest;
  const qube = find(qubes, name);
  const path = `/${feature.replace(/^vm-config\./, 'vm-config/').replace(/^service\./, 'qubes-service/')}`;
  if (has(options, '-D', '--delete', '--default', '--unset')) qube.unset(path);
  else if (value !== undefined) qube.set(path, value);
  else {
    const current = qube.get(path);
    if (current === undefined) throw new Refusal(1, `${name} has no feature '${feature}'`);
    return `${current}\n`;
  }
  return '';
}

const COMMANDS: Readonly<Record<string, Command>> = {
  'qvm-run': run,
  'qvm-check': check,
  'qvm-ls': list,
  'qvm-features': features,
  'qvm-service': (words, qubes) => {
    const [name = '', service = '', value = ''] = read(words).rest;
    const on = has(read(words).options, '--enable') || ['on', '1'].includes(value);
    return features([name, `service.${service}`, on ? '1' : ''], qubes);
  },
  'qvm-start': async (words, qubes) => {
    const { options, rest } = read(words);
    for (const qube of rest.map((name) => find(qubes, name))) {
      if (qube.running && !has(options, '--skip-if-running')) throw new Refusal(1, `${qube.name} is already running`);
      await qube.start();
    }
    return '';
  },
  'qvm-shutdown': async (words, qubes) => {
    for (const name of read(words).rest) await find(qubes, name).shutdown();
    return '';
  },
  'qvm-kill': async (words, qubes) => {
    for (const name of read(words).rest) await find(qubes, name).kill();
    return '';
  },
};

/** The commands that dom0 has. */
export const QVM_COMMANDS: readonly string[] = Object.keys(COMMANDS);

const SAY = 'printf %s "$1"; printf %s "$2" >&2; exit "$3"';

/** What `words`, a command of dom0's, runs on the host. */
export async function perform(words: readonly string[], qubes: Qubes): Promise<Call> {
  const [program = '', ...rest] = words;
  const say = (stdout: string, stderr: string, code: number): Call => ({
    argv: ['sh', '-c', SAY, 'sh', stdout, stderr, String(code)],
    input: '',
    io: true,
  });
  try {
    const command = COMMANDS[program];
    if (command === undefined) throw new Refusal(127, 'not in this lab');
    const call = await command(rest, qubes);
    return typeof call === 'string' ? say(call, '', 0) : call;
  } catch (error) {
    if (error instanceof Refusal) return say('', `${program}: ${error.message}\n`, error.code);
    return say('', `${program}: ${(error as Error).message}\n`, 255);
  }
}
