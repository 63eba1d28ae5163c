// The page of a day without its data, as `npm run build` made it (src/netlog/report/page/rolldown.mjs). It is found one folder
// up, as version.ts finds package.json.
import { readFileSync } from 'node:fs';

/** Where the data goes, as JSON without a `<`. */
export const DATA_PLACE = '"@DATA@"';

/** HTML that holds `DATA_PLACE` once. */
export function emptyPage(): string {
  return readFileSync(new URL('../dist/netlogs-page.html', import.meta.url), 'utf8');
}
