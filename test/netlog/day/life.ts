// What a day's clients and net qubes do, by programs that know nothing of what is looked for: chromium, curl, dig, dhclient,
// chronyd. Each call is bounded and ends by itself.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Program } from '../../program.ts';
import type { Chain } from '../../qubes/chain.ts';
import type { Gateways } from './gateways.ts';
import { CHRONYD, ELSEWHERE, ELSEWHERE_6, NAMES, TIME, WEB } from './internet.ts';

const CURL = 'curl --silent --show-error --insecure --max-time 20';
const DIG = 'dig +tries=1 +time=2';
const CLOCK = 'cmdport 0\nbindcmdaddress /\n';

export class Life {
  readonly #chain: Chain;
  readonly #gateways: Gateways;
  readonly #directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-life-'));

  constructor(chain: Chain, gateways: Gateways) {
    this.#chain = chain;
    this.#gateways = gateways;
    // `ip netns exec` puts it in the place of /etc/resolv.conf.
    mkdirSync(this.#etc, { recursive: true });
    writeFileSync(join(this.#etc, 'resolv.conf'), 'nameserver 10.139.1.1\n');
  }

  remove(): void {
    rmSync(this.#etc, { recursive: true });
    rmSync(this.#directory, { recursive: true });
  }

  /** A page by HTTPS over TCP, and one by HTTP/3. */
  async browse(): Promise<void> {
    await this.#client(`${CURL} https://www.example.test/`);
    for (const quic of [false, true]) await this.#chromium('news.example.test', quic);
  }

  /** A lease, the time, who is near, whether there is a portal, a name that is not there. */
  async background(): Promise<void> {
    const lease = `-lf ${this.#directory}/leases -pf ${this.#directory}/dhclient.pid`;
    await this.#client(
      `timeout 20 dhclient -1 -d -sf /bin/true ${lease} eth0 & wait=$!; sleep 3; kill $wait; wait || :`,
    );
    await this.#clock('client');
    await this.#client(`${DIG} +notcp @224.0.0.251 -p 5353 _services._dns-sd._udp.local PTR || :`);
    await this.#client(`${CURL} http://detectportal.firefox.com/success.txt`);
    await this.#client(`${DIG} missing.example.test.invalid || :`);
    // sys-net's own: NetworkManager asks the network's resolver and the portal page, and the clock its server.
    await this.#own('sys-net', `${DIG} @${NAMES} detectportal.firefox.com; ${CURL} http://${WEB}/`);
    await this.#clock('sys-net');
  }

  /** What a client does since an update. */
  async phoneHome(): Promise<void> {
    await this.#client(`${CURL} https://telemetry.vendor.test/`);
  }

  /** A name asked elsewhere than at the qubes' resolver, in plain. */
  async askElsewhere(): Promise<void> {
    await this.#client(`${DIG} @${NAMES} secret.example.test`);
  }

  /** A name asked by HTTPS, past the qubes' resolver. */
  async askByHttps(): Promise<void> {
    await this.#client(
      `${CURL} --doh-insecure --doh-url https://dns.quad9.net/dns-query https://hidden.example.test/ || :`,
    );
  }

  /** And by TLS. */
  async askByTls(): Promise<void> {
    await this.#client(
      `timeout 5 openssl s_client -connect ${NAMES}:853 -servername dot.example.test < /dev/null || :`,
    );
  }

  /** A connection past a tunnel that has lost its kill switch. */
  async passTunnel(): Promise<void> {
    this.#gateways.killSwitch(false);
    this.#gateways.pastTunnel(ELSEWHERE);
    await this.#client(`${CURL} --connect-timeout 5 https://${ELSEWHERE}/`);
  }

  async passTunnelByIpv6(): Promise<void> {
    this.#gateways.killSwitch(false);
    this.#gateways.pastTunnel(ELSEWHERE_6);
    await this.#client(`${CURL} --connect-timeout 5 'https://[${ELSEWHERE_6}]/'`);
  }

  /** A packet of it, from a client to the web. */
  async say(text: string): Promise<void> {
    await this.#own('client', `exec bash -c 'echo "$0" > /dev/udp/${WEB}/9' "${text}"`);
  }

  get #etc(): string {
    return `/etc/netns/${this.#chain.namespace('client')}`;
  }

  async #chromium(site: string, quic: boolean): Promise<void> {
    const home = mkdtempSync(join(this.#directory, 'chromium-'));
    const quiet = ['--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
    const how = quic ? ['--enable-quic', `--origin-to-force-quic-on=${site}:443`] : ['--disable-quic'];
    const trust = [`--ignore-certificate-errors-spki-list=${this.#gateways.internet.spki}`, `--user-data-dir=${home}`];
    const page = [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--dump-dom',
      ...quiet,
      ...trust,
      ...how,
      `https://${site}/`,
    ];
    const { stdout, stderr } = await Program.run(
      undefined,
      this.#chain.command('client', ['timeout', '40', 'chromium', ...page]),
    );
    if (!stdout.includes(`a page of ${site}`)) throw new Error(`chromium did not get ${site}: ${stdout}${stderr}`);
  }

  #clock(place: string): Promise<void> {
    const file = join(this.#directory, 'chrony.conf');
    writeFileSync(file, `${CLOCK}pidfile ${this.#directory}/chronyd.pid\n`);
    return this.#own(place, `timeout 20 ${CHRONYD} -Q -u root -f ${file} 'server ${TIME} iburst maxsamples 1'`);
  }

  #client(script: string): Promise<void> {
    return this.#own('client', script);
  }

  async #own(place: string, script: string): Promise<void> {
    const { code, stdout, stderr } = await Program.run(undefined, this.#chain.command(place, ['sh', '-ec', script]));
    if (code !== 0) throw new Error(`${place}: ${script}: exit code ${code}: ${stdout}${stderr}`);
  }
}
