// The internet of a day (day.test.ts) behind the last net qube of a chain: names by dnsmasq, with TLS too; pages by caddy over
// HTTP, HTTPS and HTTP/3; time by chronyd; and the far end of a WireGuard tunnel. All in one network namespace.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Program } from '../../program.ts';
import type { Chain } from '../../qubes/chain.ts';
import { type Key, wireguard } from './tunnel.ts';

/** Debian packages that start a service where they are installed; scripts/test unpacks them here. */
const UNPACKED = fileURLToPath(new URL('../../../node_modules/.cache/day/', import.meta.url));
export const CADDY: string = join(UNPACKED, 'usr/bin/caddy');
export const CHRONYD: string = join(UNPACKED, 'usr/sbin/chronyd');

/** Addresses of the internet, IPv4 and, of web and elsewhere, IPv6. */
export const WEB = '198.51.100.80';
export const NAMES = '198.51.100.53';
export const TIME = '198.51.100.123';
export const ENDPOINT = '198.51.100.51';
export const ELSEWHERE = '203.0.113.66';
export const ELSEWHERE_6 = '2001:db8:66::66';
const ADDRESSES = [`${WEB}/32`, `${NAMES}/32`, `${TIME}/32`, `${ENDPOINT}/32`, `${ELSEWHERE}/32`, `${ELSEWHERE_6}/128`];
/** The zone of all sites but these; each has the web's address. */
const ZONE = 'example.test';
const FURTHER = ['telemetry.vendor.test', 'dns.quad9.net', 'detectportal.firefox.com'];

const DOT = (key: string, certificate: string): string => `
  const { readFileSync } = require('fs');
  const names = { key: readFileSync('${key}'), cert: readFileSync('${certificate}') };
  require('tls').createServer(names, (client) => {
    const server = require('net').connect(53, '${NAMES}');
    client.pipe(server).pipe(client);
    for (const end of [client, server]) end.on('error', () => { client.destroy(); server.destroy(); });
  }).listen(853, '${NAMES}', () => console.log('ready'));`;

/** Bound to addresses: caddy answers HTTP/3 from the address that the way back has otherwise. */
const CADDYFILE = (key: string, certificate: string): string => `{
  admin off
  auto_https off
}
https://:443 {
  bind ${WEB} ${ELSEWHERE} ${ELSEWHERE_6}
  tls ${certificate} ${key}
  respond "<!doctype html><title>{host}</title><p>a page of {host}"
}
http://:80 {
  respond "success"
}
`;

export class Internet {
  /** Of all sites' certificate, as chromium wants it. */
  readonly spki: string;
  readonly #programs: Program[] = [];

  private constructor(spki: string) {
    this.spki = spki;
  }

  /** With its files in `directory`. `remove` must follow. */
  static async open(chain: Chain, directory: string, own: Key, peer: Key): Promise<Internet> {
    const [key, certificate] = [join(directory, 'site.key'), join(directory, 'site.pem')];
    const request = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '30',
    ];
    const names = [`*.${ZONE}`, ZONE, ...FURTHER].map((name) => `DNS:${name}`).join(',');
    const subject = ['-subj', `/CN=${ZONE}`, '-addext', `subjectAltName=${names}`];
    execFileSync('openssl', [...request, ...subject, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    const der = execFileSync('sh', [
      '-c',
      'openssl x509 -in "$0" -pubkey -noout | openssl pkey -pubin -outform der',
      certificate,
    ]);
    const internet = new Internet(createHash('sha256').update(der).digest('base64'));
    try {
      await internet.#serve(chain, directory, key, certificate, own, peer);
    } catch (cause) {
      await internet.remove();
      throw cause;
    }
    return internet;
  }

  /** The last first: dnsmasq has a child, which outlives it, for as long as somebody asks it over TCP. */
  async remove(): Promise<void> {
    for (const program of this.#programs.reverse()) await program.kill();
  }

  async #serve(chain: Chain, directory: string, key: string, certificate: string, own: Key, peer: Key): Promise<void> {
    const here = (argv: readonly string[]): [string, ...string[]] => chain.command('internet', argv);
    for (const address of ADDRESSES) {
      const [program, ...args] = here(['ip', 'addr', 'add', address, 'dev', 'lo']);
      execFileSync(program, args);
    }
    const file = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const start = async (argv: readonly string[], ready: (program: Program) => boolean, env = {}): Promise<void> => {
      const program = new Program(undefined, here(argv), { env });
      this.#programs.push(program);
      await program.until(() => ready(program));
    };

    const records = [`--address=/${ZONE}/${WEB}`, ...FURTHER.map((name) => `--address=/${name}/${WEB}`)];
    const names = [
      'dnsmasq',
      '--keep-in-foreground',
      '--log-facility=-',
      '--conf-file=/dev/null',
      '--pid-file=',
      '--user=root',
    ];
    const listen = ['--no-resolv', '--no-hosts', '--bind-interfaces', `--listen-address=${NAMES}`];
    await start([...names, ...listen, '--local=//', ...records], ({ stderr }) => stderr.includes('started'));
    await start([process.execPath, '-e', DOT(key, certificate)], ({ stdout }) => stdout.includes('ready'));

    const pages = [CADDY, 'run', '--adapter', 'caddyfile', '--config', file('Caddyfile', CADDYFILE(key, certificate))];
    const home = { HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory };
    await start(pages, ({ stderr }) => stderr.includes('serving initial configuration'), home);

    const time = `local stratum 1\nallow\ncmdport 0\nbindcmdaddress /\npidfile ${directory}/chronyd.pid\n`;
    const clock = [CHRONYD, '-x', '-d', '-u', 'root', '-f', file('chrony.conf', time)];
    await start(clock, ({ stderr }) => stderr.includes('starting'));

    const tunnel = wireguard({
      own,
      peer,
      addresses: ['10.8.0.254/24', 'fd00:8::254/64'],
      allowed: ['10.8.0.1/32', 'fd00:8::1/128'],
    });
    await start(tunnel, ({ stdout }) => stdout.includes('ready'));
  }
}
