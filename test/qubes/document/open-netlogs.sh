#!/bin/bash
set -euo pipefail

BASE="${HOME}/NetLogs"
TODAY="$(date -I)"
DAY="${1:-$TODAY}"

mkdir -p "$BASE/$DAY"

# Unpack any .tgz dropped by dom0 (idempotent; skips if already unpacked)
shopt -s nullglob
for f in "$BASE/$DAY"/*.tgz; do
  dir="${f%.tgz}"
  if [ ! -d "$dir" ]; then
    mkdir -p "$dir"
    tar -xzf "$f" -C "$dir"
  fi
done

# Find pcaps (from sys-dns/sys-vpn bundles)
echo "[*] Available pcaps for ${DAY}:"
mapfile -t PCAPS < <(find "$BASE/$DAY" -type f -name '*.pcap' -o -name '*.pcapng' 2>/dev/null | sort)
if [ ${#PCAPS[@]} -eq 0 ]; then
  echo "  (none found)"; exit 0
fi

i=0
for p in "${PCAPS[@]}"; do
  printf "  [%02d] %s\n" "$i" "$p"
  ((i++))
done

echo
read -rp "Open which pcap (index or 'a' for all, ENTER to quit)? " pick
case "$pick" in
  '' ) exit 0 ;;
  a|A )
    # Open all pcaps in separate Wireshark instances (careful: can be heavy)
    for p in "${PCAPS[@]}"; do
      ( wireshark "$p" >/dev/null 2>&1 & ) || true
    done
    ;;
  * )
    if [[ "$pick" =~ ^[0-9]+$ ]] && [ "$pick" -ge 0 ] && [ "$pick" -lt "${#PCAPS[@]}" ]; then
      wireshark "${PCAPS[$pick]}" >/dev/null 2>&1 &
    else
      echo "Invalid choice"; exit 1
    fi
    ;;
esac

# Show nft log text files if present
echo
echo "[*] nft logs (if any):"
find "$BASE/$DAY" -type f -name 'nft-*.log.gz' -print -exec sh -c 'echo "-----"; gzip -cd "$1" | tail -n 40' _ {} \; 2>/dev/null || true
