// A page opened in headless Chromium, from its file. Whatever it asks for besides that file, says on its console or throws is
// noted: a page that is as it should be leaves `complaints` empty.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';

/** As root there is no sandbox; the others keep Chromium itself from asking for anything. */
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface View {
  readonly width?: number;
  readonly dark?: boolean;
}

export interface Opened {
  readonly page: Page;
  readonly complaints: readonly string[];
}

export class Reader {
  readonly #directory: string = mkdtempSync(join(tmpdir(), 'netlogs-report-'));
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(): Promise<Reader> {
    return new Reader(await chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS }));
  }

  /** `html` as a file of its own, in a context of its own. */
  async open(html: string, { width = 1440, dark = false }: View = {}): Promise<Opened> {
    const file = join(this.#directory, 'report.html');
    writeFileSync(file, html);
    const url = pathToFileURL(file).href;
    const context = await this.#browser.newContext({
      viewport: { width, height: 900 },
      colorScheme: dark ? 'dark' : 'light',
      deviceScaleFactor: 1,
      locale: 'de-DE',
      timezoneId: 'Asia/Kathmandu',
    });
    const complaints: string[] = [];
    const page = await context.newPage();
    page.on('request', (request) => request.url() !== url && complaints.push(`asked for ${request.url()}`));
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(`threw ${error.stack}`));
    page.on('dialog', (dialog) => {
      complaints.push(`dialog ${dialog.message()}`);
      dialog.dismiss().catch(() => complaints.push('the dialog stayed'));
    });
    await page.goto(url);
    return { page, complaints };
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    rmSync(this.#directory, { recursive: true });
  }
}
