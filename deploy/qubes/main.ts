// `npm run build:sls`: writes what goes to /srv/salt/qubes/monitor/, from the tables in src/netlog/state/ and the files in deploy/;
// into deploy/qubes/, or the directory that is named. What it writes there is committed: test/qubes/state.test.ts fails when
// that differs.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installState } from '../../src/netlog/state/install.ts';
import { pillarExample, topFile } from '../../src/netlog/state/pillar.ts';
import { removeState } from '../../src/netlog/state/remove.ts';

const DEPLOY = fileURLToPath(new URL('..', import.meta.url));
const [output = join(DEPLOY, 'qubes')] = process.argv.slice(2);
const rendered = {
  'full-netlog.sls': installState((from) => readFileSync(join(DEPLOY, from), 'utf8')),
  'full-netlog-remove.sls': removeState(),
  'full-netlog.top': topFile(),
  'pillar.example': pillarExample(),
};
for (const [name, text] of Object.entries(rendered)) writeFileSync(join(output, name), text);
