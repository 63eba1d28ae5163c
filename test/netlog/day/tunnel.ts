// An end of a WireGuard tunnel in a network namespace, by wireguard-go, as a kernel need not have it.
import { execFileSync } from 'node:child_process';

export interface Key {
  readonly private: string;
  readonly public: string;
}

export interface TunnelEnd {
  readonly own: Key;
  readonly peer: Key;
  /** Where the peer listens, for the end that calls. */
  readonly endpoint?: string;
  readonly addresses: readonly string[];
  /** What may come out of it and is sent into it. */
  readonly allowed: readonly string[];
}

export const PORT = 51_820;

export function makeKey(): Key {
  const secret = execFileSync('wg', ['genkey'], { encoding: 'utf8' }).trim();
  return { private: secret, public: execFileSync('wg', ['pubkey'], { input: secret, encoding: 'utf8' }).trim() };
}

/**
 * A command line for a namespace: wg0 as long as it runs. Prints `ready`. Its control socket lies in a directory of its own,
 * for the mounts of `ip netns exec` are.
 */
export function wireguard({ own, peer, endpoint, addresses, allowed }: TunnelEnd): string[] {
  const call = endpoint === undefined ? '' : `endpoint ${endpoint}:${PORT} persistent-keepalive 5`;
  const script = `
    mkdir -p /run/wireguard && mount -t tmpfs tmpfs /run/wireguard
    (
      until [ -S /run/wireguard/wg0.sock ]; do sleep 0.05; done
      echo ${own.private} > /run/wireguard/key
      wg set wg0 listen-port ${PORT} private-key /run/wireguard/key peer ${peer.public} allowed-ips ${allowed.join(',')} ${call}
      ${addresses.map((address) => `ip addr add ${address} dev wg0`).join('\n      ')}
      ip link set wg0 up
      echo ready
    ) & exec wireguard-go -f wg0`;
  return ['env', 'WG_PROCESS_FOREGROUND=1', 'sh', '-ec', script];
}
