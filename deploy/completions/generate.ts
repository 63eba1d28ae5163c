// `npm run completions`: writes the completions of bash and zsh beside this file, from the option tables of the program. They
// are committed; a test says when they are no longer what this makes of the tables.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bashCompletion } from './bash.ts';
import { completedCommands } from './commands.ts';
import { zshCompletion } from './zsh.ts';

const commands = completedCommands();
const write = (name: string, text: string): void => writeFileSync(fileURLToPath(new URL(name, import.meta.url)), text);
write('tsnetpcap.bash', bashCompletion(commands));
write('_tsnetpcap', zshCompletion(commands));
