// All tasks of the micro benchmark by name, in the order of its table.
import { FILE_TASKS } from './files.ts';
import { FILTER_TASKS } from './filter.ts';
import type { Task } from './task.ts';
import { WALK_TASKS } from './walk.ts';

export const TASKS: Readonly<Record<string, Task>> = { ...WALK_TASKS, ...FILTER_TASKS, ...FILE_TASKS };
