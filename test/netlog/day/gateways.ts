// What makes sys-dns a resolver and sys-vpn a tunnel in a day's chain: the clients' names are answered by sys-dns, which asks
// by TLS, and all that sys-vpn forwards goes through WireGuard or nowhere.
import { execFileSync } from 'node:child_process';
import { Program } from '../../program.ts';
import type { Chain } from '../../qubes/chain.ts';
import { ENDPOINT, Internet, NAMES } from './internet.ts';
import { makeKey, wireguard } from './tunnel.ts';

/** Of each net qube, towards the clients and the next: as Chain gives them. */
const DNS_VIF = '10.138.0.10';
const VPN_GATEWAY = '10.138.0.12';
const VPN_GATEWAY_6 = 'fd09:24ef:4179::a8a:12';

/** As Qubes has it: the resolver's address of all qubes is translated to where it is. */
const TRANSLATE = `table ip of_a_day { chain in { type nat hook prerouting priority dstnat;
  iifname "vif5.0" ip daddr { 10.139.1.1, 10.139.1.2 } meta l4proto { tcp, udp } th dport 53 dnat to ${DNS_VIF}; }; }`;
const TUNNEL_ONLY = `table inet of_a_day { chain forward { type filter hook forward priority filter;
  iifname "vif5.0" oifname != "wg0" drop; }; chain out { type nat hook postrouting priority srcnat; oifname "wg0" masquerade; }; }`;

/** From datagrams to TLS: one connection, as long as it holds. */
const FORWARDER = `
  const udp = require('dgram').createSocket('udp4');
  const asked = new Map();
  let server;
  const open = () => {
    let answers = Buffer.alloc(0);
    server = require('tls').connect({ host: '${NAMES}', port: 853, rejectUnauthorized: false, servername: 'resolver.example.test' });
    server.on('data', (data) => {
      answers = Buffer.concat([answers, data]);
      while (answers.length > 2 && answers.length >= 2 + answers.readUInt16BE(0)) {
        const answer = answers.subarray(2, 2 + answers.readUInt16BE(0));
        answers = answers.subarray(2 + answer.length);
        const client = asked.get(answer.readUInt16BE(0));
        if (client !== undefined) udp.send(answer, client.port, client.address);
      }
    }).on('error', () => {}).on('close', () => { server = undefined; });
  };
  udp.on('message', (query, client) => {
    if (server === undefined) open();
    asked.set(query.readUInt16BE(0), client);
    server.write(Buffer.concat([Buffer.from([query.length >> 8, query.length & 255]), query]));
  }).bind(5300, '127.0.0.1', () => console.log('ready'));`;

export class Gateways {
  readonly internet: Internet;
  readonly #chain: Chain;
  readonly #programs: Program[] = [];

  private constructor(chain: Chain, internet: Internet) {
    this.#chain = chain;
    this.internet = internet;
  }

  /** Of a chain of sys-dns, sys-vpn and further qubes. `remove` must follow. */
  static async open(chain: Chain, directory: string): Promise<Gateways> {
    const [own, peer] = [makeKey(), makeKey()];
    const gateways = new Gateways(chain, await Internet.open(chain, directory, peer, own));
    try {
      const allowed = ['0.0.0.0/0', '::/0'];
      const end = { own, peer, endpoint: ENDPOINT, addresses: ['10.8.0.1/24', 'fd00:8::1/64'], allowed };
      gateways.#run('sys-vpn', ['ip', 'route', 'add', ENDPOINT, 'via', VPN_GATEWAY, 'dev', 'eth0']);
      await gateways.#start('sys-vpn', wireguard(end), ({ stdout }) => stdout.includes('ready'));
      gateways.killSwitch(true);
      gateways.#run('sys-dns', ['nft', TRANSLATE]);
      await gateways.#start('sys-dns', [process.execPath, '-e', FORWARDER], ({ stdout }) => stdout.includes('ready'));
      const resolver = [
        'dnsmasq',
        '--keep-in-foreground',
        '--log-facility=-',
        '--conf-file=/dev/null',
        '--pid-file=',
        '--user=root',
      ];
      const serve = [
        '--no-resolv',
        '--no-hosts',
        '--bind-interfaces',
        `--listen-address=${DNS_VIF}`,
        '--server=127.0.0.1#5300',
      ];
      const lease = ['--dhcp-range=10.137.0.100,10.137.0.110,255.255.0.0,2m', `--dhcp-leasefile=${directory}/leases`];
      const wire = ['--interface=vif5.0', '--shared-network=vif5.0,10.137.0.1'];
      await gateways.#start('sys-dns', [...resolver, ...serve, ...lease, ...wire], ({ stderr }) =>
        stderr.includes('started'),
      );
    } catch (cause) {
      await gateways.remove();
      throw cause;
    }
    return gateways;
  }

  /** Off: sys-vpn forwards past the tunnel, too, where a route says so. */
  killSwitch(on: boolean): void {
    this.#run('sys-vpn', ['nft', 'add table inet of_a_day; delete table inet of_a_day']);
    for (const version of ['-4', '-6'])
      this.#run('sys-vpn', ['ip', version, 'route', 'replace', 'default', 'dev', 'wg0']);
    if (on) this.#run('sys-vpn', ['nft', TUNNEL_ONLY]);
  }

  /** Sends what goes to `address`, or all of IPv6, past the tunnel. */
  pastTunnel(address: string): void {
    const gateway = address.includes(':') ? VPN_GATEWAY_6 : VPN_GATEWAY;
    this.#run('sys-vpn', ['ip', 'route', 'replace', address, 'via', gateway, 'dev', 'eth0']);
  }

  async remove(): Promise<void> {
    for (const program of this.#programs.reverse()) await program.kill();
    await this.internet.remove();
  }

  #run(place: string, argv: readonly string[]): void {
    const [program, ...args] = this.#chain.command(place, argv);
    execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  async #start(place: string, argv: readonly string[], ready: (program: Program) => boolean): Promise<void> {
    const program = new Program(undefined, this.#chain.command(place, argv));
    this.#programs.push(program);
    await program.until(() => ready(program));
  }
}
