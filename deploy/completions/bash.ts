// The completion of bash, as a function of its own that needs no other package. Called by generate.ts.
//
// readline breaks words at `=`, so `--engine=ri` comes as three of them.
import type { CompletedCommand, CompletedProgram, Value } from './commands.ts';

export function bashCompletion({ name: program, commands }: CompletedProgram): string {
  const [implied] = commands;
  if (implied === undefined) throw new Error('unreachable: there is a first command');
  const names = commands.map(({ name }) => name);
  const text = `# bash completion of tsnetpcap, made by \`npm run completions\`.

_tsnetpcap_files() {
  compopt -o filenames
  mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

_tsnetpcap_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}
${usesInterfaces(commands) ? INTERFACES : ''}
_tsnetpcap() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} command=${implied.name} first=1 options valued
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if ((COMP_CWORD > 1)); then
    case \${COMP_WORDS[1]} in
      ${names.join(' | ')})
        command=\${COMP_WORDS[1]}
        first=2
        ;;
    esac
  fi
  COMPREPLY=()
  case $command in
${commands.map(optionsOf).join('\n')}
  esac
  # Of a cluster of letters the last may have a value.
  [[ -n $valued && $prev =~ ^-[^-$valued][^$valued]*([$valued])$ ]] && prev=-\${BASH_REMATCH[1]}
  case $command:$prev in
${commands.flatMap(valuesOf).join('\n')}
  esac
  if [[ $cur == -* ]]; then
    _tsnetpcap_words "$options" "$cur"
    return
  fi
  case $command in
${implied.operands === 'expression' ? `    ${implied.name}) ((COMP_CWORD > 1)) || _tsnetpcap_words '${names.join(' ')}' "$cur" ;;\n` : ''}${commands.flatMap(operandsOf).join('\n')}
    help) ((COMP_CWORD > first)) || _tsnetpcap_words '${names.filter((name) => name !== 'help').join(' ')}' "$cur" ;;
  esac
}

complete -F _tsnetpcap tsnetpcap
`;
  return text.replaceAll('tsnetpcap', program);
}

const INTERFACES = `
_tsnetpcap_interfaces() {
  local path names=any
  for path in /sys/class/net/*/; do
    path=\${path%/}
    names+=" \${path##*/}"
  done
  _tsnetpcap_words "$names" "$1"
}
`;

function usesInterfaces(commands: readonly CompletedCommand[]): boolean {
  return commands.some(({ options }) => options.some(({ value }) => value?.kind === 'interface'));
}

function optionsOf({ name, options }: CompletedCommand): string {
  const letters = options.filter(({ value }) => value !== undefined).flatMap(({ names }) => names.filter(isLetter));
  const words = options.flatMap(({ names }) => names).join(' ');
  return `    ${name})
      options='${words}'
      valued='${letters.map((letter) => letter.slice(1)).join('')}'
      ;;`;
}

function isLetter(name: string): boolean {
  return /^-[^-]$/.test(name);
}

function valuesOf({ name, options }: CompletedCommand): string[] {
  const byReply = new Map<string, string[]>();
  for (const { names, value } of options) {
    if (value === undefined) continue;
    const reply = replyTo(value.kind);
    byReply.set(reply, [...(byReply.get(reply) ?? []), ...names.map((each) => `${name}:${each}`)]);
  }
  return [...byReply].map(
    ([reply, patterns]) => `    ${patterns.join(' | ')})
      ${reply}return
      ;;`,
  );
}

function replyTo(kind: Value): string {
  if (typeof kind === 'object') return `_tsnetpcap_words '${kind.join(' ')}' "$cur"\n      `;
  switch (kind) {
    case 'file':
      return '_tsnetpcap_files -f "$cur"\n      ';
    case 'directory':
      return '_tsnetpcap_files -d "$cur"\n      ';
    case 'interface':
      return '_tsnetpcap_interfaces "$cur"\n      ';
    case 'program':
      return '_tsnetpcap_files -c "$cur"\n      ';
    case 'user':
      return 'mapfile -t COMPREPLY < <(compgen -u -- "$cur")\n      ';
    case 'other':
      return '';
  }
}

function operandsOf({ name, operands }: CompletedCommand): string[] {
  switch (operands) {
    case 'files':
      return [`    ${name}) _tsnetpcap_files -f "$cur" ;;`];
    case 'days':
      return [`    ${name}) _tsnetpcap_words 'today yesterday latest' "$cur" ;;`];
    case 'directory':
      return [`    ${name}) _tsnetpcap_files -d "$cur" ;;`];
    case 'directory and files':
      return [
        `    ${name})
      if ((COMP_CWORD == first)); then
        _tsnetpcap_files -d "$cur"
      else
        local directory=\${COMP_WORDS[first]}
        mapfile -t COMPREPLY < <(cd -- "\${directory/#\\~/$HOME}" 2> /dev/null && compgen -f -- "$cur")
      fi
      ;;`,
      ];
    default:
      return [];
  }
}
