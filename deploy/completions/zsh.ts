// The completion of zsh: specs of its _arguments (zshcompsys(1)), a function for each command. Called by generate.ts.
import type { CompletedCommand, CompletedOption, CompletedProgram, Value } from './commands.ts';

export function zshCompletion({ name: program, commands }: CompletedProgram): string {
  const [implied] = commands;
  if (implied === undefined) throw new Error('unreachable: there is a first command');
  const described = commands.map(({ name, help }) => `    '${escaped(name)}:${escaped(help)}'`).join('\n');
  const functions = commands.map(functionOf).join('\n');
  const used = (helper: string): boolean => functions.includes(`_tsnetpcap_${helper}`);
  const text = `#compdef tsnetpcap
# zsh completion of tsnetpcap, made by \`npm run completions\`.

${used('interfaces') ? INTERFACES : ''}_tsnetpcap_commands() {
  local -a commands
  commands=(
${described}
  )
  _describe command commands
}

${used('savefiles') ? SAVEFILES : ''}${functions}
_tsnetpcap() {
  local name=${implied.name}
  if (( CURRENT > 2 )) && [[ $words[2] == (${commands.map(({ name }) => name).join('|')}) ]]; then
    name=$words[2]
    shift words
    (( CURRENT-- ))
  elif (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    _tsnetpcap_commands
    return
  fi
  _tsnetpcap_$name
}

_tsnetpcap "$@"
`;
  return text.replaceAll('tsnetpcap', program);
}

const INTERFACES = `_tsnetpcap_interfaces() {
  local expl
  _wanted interfaces expl interface compadd -- any /sys/class/net/*(N/:t) /sys/class/net/*(N@:t)
}

`;

const SAVEFILES = `# Within the directory that is the first operand.
_tsnetpcap_savefiles() {
  local directory=\${~\${(Q)words[2]}}
  _files -W \${directory:A}
}

`;

function functionOf({ name, options, operands }: CompletedCommand): string {
  const specs = [...options.flatMap(specsOf), ...OPERANDS[operands].map((spec) => `'${spec}'`)];
  return `_tsnetpcap_${name}() {
  local curcontext=$curcontext state state_descr line
  typeset -A opt_args
  _arguments -s -S -C \\
${specs.map((spec) => `    ${spec}`).join(' \\\n')}
}
`;
}

const OPERANDS: Readonly<Record<CompletedCommand['operands'], readonly string[]>> = {
  expression: ['*: :{ : }'], // a message of what is expected would keep options from being inserted
  files: ['*:savefile, directory or filter:_files'],
  directory: ['1:directory:_files -/'],
  'directory and files': ['1:directory:_files -/', '*:savefile:_tsnetpcap_savefiles'],
  command: ['1:command:_tsnetpcap_commands'],
  days: ['*:day:(today yesterday latest)'],
  other: [],
};

/** By each of its names; one that was given is not offered again, by none of them. */
function specsOf({ names, help, value, repeatable }: CompletedOption): string[] {
  const given = repeatable ? '*' : names.length > 1 ? `(${names.join(' ')})` : '';
  const follows = value === undefined ? '' : `:${escaped(value.name)}:${actionOf(value.kind)}`;
  return names.map((name) => {
    const joined = value === undefined ? '' : name.startsWith('--') ? '=' : '+';
    return `'${given}${name}${joined}[${escaped(help)}]${follows}'`;
  });
}

function actionOf(kind: Value): string {
  if (typeof kind === 'object') return `(${kind.join(' ')})`;
  const actions = {
    file: '_files',
    directory: '_files -/',
    interface: '_tsnetpcap_interfaces',
    program: '_command_names -e',
    user: '_users',
    other: ' ',
  } as const;
  return actions[kind];
}

/** For a spec between single quotes. */
function escaped(text: string): string {
  return text.replace(/[\\\]:[]/g, '\\$&').replaceAll("'", "'\\''");
}
