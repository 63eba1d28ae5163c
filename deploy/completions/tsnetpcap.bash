# bash completion of tsnetpcap, made by `npm run completions`.

_tsnetpcap_files() {
  compopt -o filenames
  mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

_tsnetpcap_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_tsnetpcap_interfaces() {
  local path names=any
  for path in /sys/class/net/*/; do
    path=${path%/}
    names+=" ${path##*/}"
  done
  _tsnetpcap_words "$names" "$1"
}

_tsnetpcap() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=capture first=1 options valued
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if ((COMP_CWORD > 1)); then
    case ${COMP_WORDS[1]} in
      capture | read | verify | release | help)
        command=${COMP_WORDS[1]}
        first=2
        ;;
    esac
  fi
  COMPREPLY=()
  case $command in
    capture)
      options='-i --interface -s --snaplen --snapshot-length -r -V -p --no-promiscuous-mode -I --monitor-mode -j --time-stamp-type -Q --direction --wait-for-interface --exit-on-down -y --linktype --exclude --snaplen-for --keep-names --headers-only --sample-flows -F -c --duration -w -C -G -W --rotate --rotate-size --rotate-packets --ring --max-age --max-bytes --min-free --utc --no-clobber --file-mode --no-part --sync --compress -z -Z --relinquish-privileges --no-ledger --time-stamp-precision --nano --micro -U --packet-buffered --engine --immediate-mode -B --buffer-size --ring-memory --count -d -D --list-interfaces -L --list-data-link-types -J --list-time-stamp-types --check --print-config -q -v --stats-interval --stats-file --version -h --help'
      valued='isrVjQyFcwCGWzZB'
      ;;
    read)
      options='-c --from --to -F -s --snaplen -y --linktype -w --time-stamp-precision --nano --micro --rotate --rotate-size --rotate-packets --utc --no-clobber --file-mode --count -q -h --help'
      valued='cFsyw'
      ;;
    verify)
      options='--head --json -h --help'
      valued=''
      ;;
    release)
      options='-h --help'
      valued=''
      ;;
    help)
      options=''
      valued=''
      ;;
  esac
  # Of a cluster of letters the last may have a value.
  [[ -n $valued && $prev =~ ^-[^-$valued][^$valued]*([$valued])$ ]] && prev=-${BASH_REMATCH[1]}
  case $command:$prev in
    capture:-i | capture:--interface)
      _tsnetpcap_interfaces "$cur"
      return
      ;;
    capture:-s | capture:--snaplen | capture:--snapshot-length | capture:--exclude | capture:--snaplen-for | capture:--sample-flows | capture:-c | capture:--duration | capture:-C | capture:-G | capture:-W | capture:--rotate | capture:--rotate-size | capture:--rotate-packets | capture:--ring | capture:--max-age | capture:--max-bytes | capture:--min-free | capture:--file-mode | capture:-B | capture:--buffer-size | capture:--ring-memory | capture:--stats-interval)
      return
      ;;
    capture:-r | capture:-V | capture:-F | capture:-w | capture:--stats-file)
      _tsnetpcap_files -f "$cur"
      return
      ;;
    capture:-j | capture:--time-stamp-type)
      _tsnetpcap_words 'host host_lowprec host_hiprec adapter adapter_unsynced' "$cur"
      return
      ;;
    capture:-Q | capture:--direction)
      _tsnetpcap_words 'in out inout' "$cur"
      return
      ;;
    capture:-y | capture:--linktype)
      _tsnetpcap_words 'LINUX_SLL LINUX_SLL2' "$cur"
      return
      ;;
    capture:--sync)
      _tsnetpcap_words 'none close' "$cur"
      return
      ;;
    capture:--compress)
      _tsnetpcap_words 'gzip zstd' "$cur"
      return
      ;;
    capture:-z)
      _tsnetpcap_files -c "$cur"
      return
      ;;
    capture:-Z | capture:--relinquish-privileges)
      mapfile -t COMPREPLY < <(compgen -u -- "$cur")
      return
      ;;
    capture:--time-stamp-precision)
      _tsnetpcap_words 'micro nano' "$cur"
      return
      ;;
    capture:--engine)
      _tsnetpcap_words 'ring libpcap cap' "$cur"
      return
      ;;
    read:-c | read:--from | read:--to | read:-s | read:--snaplen | read:--rotate | read:--rotate-size | read:--rotate-packets | read:--file-mode)
      return
      ;;
    read:-F | read:-w)
      _tsnetpcap_files -f "$cur"
      return
      ;;
    read:-y | read:--linktype)
      _tsnetpcap_words 'LINUX_SLL' "$cur"
      return
      ;;
    read:--time-stamp-precision)
      _tsnetpcap_words 'micro nano' "$cur"
      return
      ;;
    verify:--head)
      return
      ;;
  esac
  if [[ $cur == -* ]]; then
    _tsnetpcap_words "$options" "$cur"
    return
  fi
  case $command in
    capture) ((COMP_CWORD > 1)) || _tsnetpcap_words 'capture read verify release help' "$cur" ;;
    read) _tsnetpcap_files -f "$cur" ;;
    verify) _tsnetpcap_files -d "$cur" ;;
    release)
      if ((COMP_CWORD == first)); then
        _tsnetpcap_files -d "$cur"
      else
        local directory=${COMP_WORDS[first]}
        mapfile -t COMPREPLY < <(cd -- "${directory/#\~/$HOME}" 2> /dev/null && compgen -f -- "$cur")
      fi
      ;;
    help) ((COMP_CWORD > first)) || _tsnetpcap_words 'capture read verify release' "$cur" ;;
  esac
}

complete -F _tsnetpcap tsnetpcap
