// `npm run build`: the page without its data, one file: markup, style, and the script with its chart library inside. What may
// run there and style it is said by hash in the page's own policy. src/netlog-page.ts reads it.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const beside = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
const ofCharts = (name) => readFileSync(createRequire(import.meta.url).resolve(`uplot/${name}`), 'utf8');

/** page.html filled, but for the data: `script` and the style, and the policy that lets in nothing else. */
function page(script) {
  const style = ofCharts('dist/uPlot.min.css') + beside('style.css');
  if (/<\/?(script|style)|<!--/i.test(script + style))
    throw new Error('script or style holds markup that would end it');
  const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const policy = [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
  const parts = {
    '@POLICY@': policy,
    '@LICENSE@': ofCharts('LICENSE').trim(),
    '/* @STYLE@ */': style,
    '// @SCRIPT@\n': script,
  };
  return Object.entries(parts).reduce((html, [place, part]) => html.replace(place, () => part), beside('page.html'));
}

export default {
  input: { page: 'src/netlog/report/page/main.ts' },
  platform: 'browser',
  plugins: [
    {
      name: 'page',
      generateBundle(_options, bundle) {
        for (const [name, chunk] of Object.entries(bundle)) {
          delete bundle[name];
          this.emitFile({ type: 'asset', fileName: 'netlogs-page.html', source: page(chunk.code) });
        }
      },
    },
  ],
  output: { dir: 'dist', format: 'iife', minify: true },
};
