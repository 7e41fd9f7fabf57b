// Finds the npm packages of our Node programs. Their arguments are folders to look in; with --probe last, a program
// only says by its exit code whether its package is there.
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';

const places = process.argv.slice(2).filter((argument) => argument !== '--probe');
const require = createRequire(import.meta.url);

export function load(name) {
  const found = find(name);
  if (process.argv.includes('--probe')) process.exit(0);
  return found;
}

function find(name) {
  for (const place of places) {
    try {
      return require(path.join(place, name));
    } catch (fault) {
      if (fault.code !== 'MODULE_NOT_FOUND') throw fault;
    }
  }
  process.exit(3);
}
