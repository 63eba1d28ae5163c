#!/bin/sh
# keep.sh DIRECTORY NETWORK CGROUP...: what is left of a container when its owner is done with it, or is gone: kills its
# processes, removes its control groups, its network namespace ('' for none) and its files. That is when stdin ends.
# test/boot/container.ts starts it in a session of its own, so that what ends the tests does not end it.
set -u
directory=$1 network=$2
shift 2
cat > /dev/null

# A process that is being killed may fork once more, and a group is busy until the kernel has seen to the last one's end.
tries=200
while [ $tries -gt 0 ] && processes=$(find "$@" -name cgroup.procs -exec cat {} +) && [ -n "$processes" ]; do
  # shellcheck disable=SC2086
  kill -KILL $processes 2> /dev/null
  sleep 0.05
  tries=$((tries - 1))
done
until find "$@" -depth -type d -exec rmdir {} + 2> /dev/null || [ $tries -le 0 ]; do
  sleep 0.05
  tries=$((tries - 1))
done
[ -z "$network" ] || [ ! -e "/run/netns/$network" ] || ip netns delete "$network"
rm -rf --one-file-system "$directory"
[ $tries -gt 0 ]
