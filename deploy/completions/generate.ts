// `npm run completions`: writes the completions of bash and zsh beside this file, from the option tables of the programs. They
// are committed; a test says when they are no longer what this makes of the tables.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bashCompletion } from './bash.ts';
import { completedPrograms } from './commands.ts';
import { zshCompletion } from './zsh.ts';

const write = (name: string, text: string): void => writeFileSync(fileURLToPath(new URL(name, import.meta.url)), text);

async function main(): Promise<void> {
  for (const program of await completedPrograms()) {
    write(`${program.name}.bash`, bashCompletion(program));
    write(`_${program.name}`, zshCompletion(program));
  }
}

main();
