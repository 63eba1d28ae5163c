// A vitest reporter that ends the run's output with `N passed, N failed`, which is what the CI reads. A skipped test
// stands on a line of its own with its reason; a file that could not be loaded counts as a failed test.
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    let passed = 0;
    let failed = errors.length;
    for (const module of modules) {
      failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') passed++;
        else if (result.state === 'skipped') process.stdout.write(`skipped: ${test.fullName}: ${result.note ?? ''}\n`);
        else failed++;
      }
    }
    process.stdout.write(`${passed} passed, ${failed} failed\n`);
  }
}
