# bash completion of netlogs, made by `npm run completions`.

_netlogs_files() {
  compopt -o filenames
  mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

_netlogs_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_netlogs() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=help first=1 options valued
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if ((COMP_CWORD > 1)); then
    case ${COMP_WORDS[1]} in
      help | list | show | flows | packets | dns | diff | check | report | forget | sql)
        command=${COMP_WORDS[1]}
        first=2
        ;;
    esac
  fi
  COMPREPLY=()
  case $command in
    help)
      options=''
      valued=''
      ;;
    list)
      options='--json --csv -d --directory --host --identity --no-index -h --help'
      valued='d'
      ;;
    show)
      options='--qube --addr --port --proto --name --from --to --limit --json --csv -d --directory --host --identity --no-index -h --help'
      valued='d'
      ;;
    flows)
      options='--qube --addr --port --proto --name --from --to --sort --limit --json --csv -d --directory --host --identity --no-index -h --help'
      valued='d'
      ;;
    packets)
      options='-w --day --qube --addr --port --proto --name --from --to -d --directory --host --identity --no-index -h --help'
      valued='wd'
      ;;
    dns)
      options='--qube --addr --port --proto --name --from --to --limit --json --csv -d --directory --host --identity --no-index -h --help'
      valued='d'
      ;;
    diff)
      options='--limit --json --csv -d --directory --host --identity --no-index -h --help'
      valued='d'
      ;;
    check)
      options='--only --policy --resolver --tunnel --print-policy --rows --json --csv -d --directory --host --identity --no-index -h --help'
      valued='d'
      ;;
    report)
      options='-w --policy --resolver --tunnel -d --directory --host --identity --no-index -h --help'
      valued='wd'
      ;;
    forget)
      options='--yes -d --directory -h --help'
      valued='d'
      ;;
    sql)
      options='--limit --json --csv -d --directory --host --identity --no-index -h --help'
      valued='d'
      ;;
  esac
  # Of a cluster of letters the last may have a value.
  [[ -n $valued && $prev =~ ^-[^-$valued][^$valued]*([$valued])$ ]] && prev=-${BASH_REMATCH[1]}
  case $command:$prev in
    list:-d | list:--directory)
      _netlogs_files -d "$cur"
      return
      ;;
    list:--host)
      return
      ;;
    list:--identity)
      _netlogs_files -f "$cur"
      return
      ;;
    show:--qube | show:--addr | show:--port | show:--name | show:--from | show:--to | show:--limit | show:--host)
      return
      ;;
    show:--proto)
      _netlogs_words 'tcp udp icmp icmpv6' "$cur"
      return
      ;;
    show:-d | show:--directory)
      _netlogs_files -d "$cur"
      return
      ;;
    show:--identity)
      _netlogs_files -f "$cur"
      return
      ;;
    flows:--qube | flows:--addr | flows:--port | flows:--name | flows:--from | flows:--to | flows:--limit | flows:--host)
      return
      ;;
    flows:--proto)
      _netlogs_words 'tcp udp icmp icmpv6' "$cur"
      return
      ;;
    flows:--sort)
      _netlogs_words 'bytes packets first last' "$cur"
      return
      ;;
    flows:-d | flows:--directory)
      _netlogs_files -d "$cur"
      return
      ;;
    flows:--identity)
      _netlogs_files -f "$cur"
      return
      ;;
    packets:-w | packets:--identity)
      _netlogs_files -f "$cur"
      return
      ;;
    packets:--day | packets:--qube | packets:--addr | packets:--port | packets:--name | packets:--from | packets:--to | packets:--host)
      return
      ;;
    packets:--proto)
      _netlogs_words 'tcp udp icmp icmpv6' "$cur"
      return
      ;;
    packets:-d | packets:--directory)
      _netlogs_files -d "$cur"
      return
      ;;
    dns:--qube | dns:--addr | dns:--port | dns:--name | dns:--from | dns:--to | dns:--limit | dns:--host)
      return
      ;;
    dns:--proto)
      _netlogs_words 'tcp udp icmp icmpv6' "$cur"
      return
      ;;
    dns:-d | dns:--directory)
      _netlogs_files -d "$cur"
      return
      ;;
    dns:--identity)
      _netlogs_files -f "$cur"
      return
      ;;
    diff:--limit | diff:--host)
      return
      ;;
    diff:-d | diff:--directory)
      _netlogs_files -d "$cur"
      return
      ;;
    diff:--identity)
      _netlogs_files -f "$cur"
      return
      ;;
    check:--only)
      _netlogs_words 'dns encrypted-dns tunnel ipv6 capture nft ledger' "$cur"
      return
      ;;
    check:--policy | check:--identity)
      _netlogs_files -f "$cur"
      return
      ;;
    check:--resolver | check:--tunnel | check:--rows | check:--host)
      return
      ;;
    check:-d | check:--directory)
      _netlogs_files -d "$cur"
      return
      ;;
    report:-w | report:--policy | report:--identity)
      _netlogs_files -f "$cur"
      return
      ;;
    report:--resolver | report:--tunnel | report:--host)
      return
      ;;
    report:-d | report:--directory)
      _netlogs_files -d "$cur"
      return
      ;;
    forget:-d | forget:--directory)
      _netlogs_files -d "$cur"
      return
      ;;
    sql:--limit | sql:--host)
      return
      ;;
    sql:-d | sql:--directory)
      _netlogs_files -d "$cur"
      return
      ;;
    sql:--identity)
      _netlogs_files -f "$cur"
      return
      ;;
  esac
  if [[ $cur == -* ]]; then
    _netlogs_words "$options" "$cur"
    return
  fi
  case $command in
    list) _netlogs_words 'today yesterday latest' "$cur" ;;
    show) _netlogs_words 'today yesterday latest' "$cur" ;;
    flows) _netlogs_words 'today yesterday latest' "$cur" ;;
    dns) _netlogs_words 'today yesterday latest' "$cur" ;;
    diff) _netlogs_words 'today yesterday latest' "$cur" ;;
    check) _netlogs_words 'today yesterday latest' "$cur" ;;
    report) _netlogs_words 'today yesterday latest' "$cur" ;;
    forget) _netlogs_words 'today yesterday latest' "$cur" ;;
    help) ((COMP_CWORD > first)) || _netlogs_words 'list show flows packets dns diff check report forget sql' "$cur" ;;
  esac
}

complete -F _netlogs netlogs
