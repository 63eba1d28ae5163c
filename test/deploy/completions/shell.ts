// An interactive shell on a terminal of its own, by script(1), whose completion is asked by pressing keys: what bash's readline
// and zsh's line editor make of a line is read from a file that a widget of theirs writes.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const DIRECTORY = fileURLToPath(new URL('../../../deploy/completions', import.meta.url));
const PATIENCE_MS = 30_000;
/** How long a key may take that needs no answer. */
const KEY_MS = 500;
const END = '\x0f'; // C-o
const CLEAR = '\x15'; // C-u

/** All that readline would insert, with what is on the line already, and then the line. */
const BASH = `
source '${DIRECTORY}/tsnetpcap.bash'
source '${DIRECTORY}/netlogs.bash'
report() { printf '%s' "$READLINE_LINE" > "$OUT.new"; mv "$OUT.new" "$OUT"; }
bind '"\\C-t": insert-completions' '"\\C-i": complete'
bind -x '"\\C-o": report'
`;

/** What the completion functions hand to the line editor, a word a line; and the line. */
const ZSH = `
fpath=('${DIRECTORY}' $fpath)
autoload -U compinit && compinit -u -D
typeset -ga hits; typeset -gi listing=0
compadd() {
  local -a found
  if ((listing)) && [[ -z \${argv[(r)-[OAD]]} ]]; then
    builtin compadd -A found "$@"
    hits+=("\${found[@]}")
  fi
  builtin compadd "$@"
}
list() { hits=(); listing=1; zle list-choices; listing=0; BUFFER="\${(j: :)hits}" }
clear() { BUFFER= }
report() { print -rn -- "$BUFFER" > "$OUT.new"; mv "$OUT.new" "$OUT" }
zle -N list; zle -N report; zle -N clear
bindkey '^T' list '^O' report '^I' complete-word '^U' clear
`;

export class Shell {
  readonly #process: ChildProcess;
  readonly #directory: string;
  readonly #out: string;
  readonly #closed: Promise<unknown>;
  #said = '';

  private constructor(command: string, startup: string, home: string) {
    this.#directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-shell-'));
    this.#out = join(this.#directory, 'line');
    writeFileSync(join(this.#directory, 'startup'), startup);
    const env = { ...process.env, OUT: this.#out, ENV: '', ZDOTDIR: this.#directory, TERM: 'dumb', PS1: '$ ' };
    this.#process = spawn('script', ['-qec', command, '/dev/null'], { cwd: home, env, stdio: 'pipe' });
    this.#closed = once(this.#process, 'close');
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#said += text;
      });
    this.#type(`. ${join(this.#directory, 'startup')}\n`);
  }

  static async #start(command: string, startup: string, home: string): Promise<Shell> {
    const shell = new Shell(command, startup, home);
    // Keys that come before the line editor does are the terminal's: pressed until one arrives.
    for (let n = 0; !(await shell.#answers(`ready${n}`)); n++);
    return shell;
  }

  async #answers(line: string): Promise<boolean> {
    this.#type(`${CLEAR}${line}${END}`);
    return (await this.#answer(line, KEY_MS)) === line;
  }

  /** In `home`. It must be closed. */
  static bash(home: string): Promise<Shell> {
    return Shell.#start('bash --norc --noprofile -i', BASH, home);
  }

  static zsh(home: string): Promise<Shell> {
    return Shell.#start('zsh -f -i', ZSH, home);
  }

  /** The line after TAB behind `line`. */
  tab(line: string): Promise<string> {
    return this.#press(line, '\t');
  }

  /** What TAB would offer behind `line`: the last word of each possible line, sorted, without what stands for a directory. */
  async offers(line: string): Promise<string[]> {
    const text = await this.#press(line, '\x14'); // C-t
    const typed = line.slice(0, line.lastIndexOf(' ') + 1);
    const rest = text.startsWith(typed) ? text.slice(typed.length) : text;
    return [...new Set(rest.split(/\s+/).filter((word) => word !== ''))].sort();
  }

  async #press(line: string, key: string): Promise<string> {
    this.#type(`${CLEAR}${line}${key}${END}`);
    const text = await this.#answer(line, PATIENCE_MS);
    if (text === undefined) throw new Error(`${line}: the shell has not answered: ${this.#said}`);
    return text;
  }

  /** What it writes next, undefined when that takes too long. */
  async #answer(line: string, timeoutMs: number): Promise<string | undefined> {
    const deadline = performance.now() + timeoutMs;
    while (!existsSync(this.#out)) {
      if (this.#process.exitCode !== null) throw new Error(`${line}: the shell has ended: ${this.#said}`);
      if (performance.now() > deadline) return undefined;
      await sleep(5);
    }
    const text = readFileSync(this.#out, 'utf8');
    rmSync(this.#out);
    return text;
  }

  #type(text: string): void {
    this.#process.stdin?.write(text);
  }

  async close(): Promise<void> {
    this.#process.kill('SIGKILL'); // and the terminal's end is the shell's
    await this.#closed;
    rmSync(this.#directory, { recursive: true });
  }
}
