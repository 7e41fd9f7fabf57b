/** The pieces of code in docs/javascript.md: each is checked as it stands, so that no name in it comes from nowhere. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const CLIENT = at("../../../");
const FOLDER = `${CLIENT}build/snippets`;
const SETTINGS = {
  extends: `${CLIENT}tsconfig.json`,
  compilerOptions: {
    allowJs: true,
    checkJs: true,
    noEmit: true,
    // Names are looked at, and calls; who copies a piece has no types for his own names yet.
    strict: false,
    noUnusedLocals: false,
    noUncheckedSideEffectImports: false,
    rootDir: CLIENT,
    paths: {
      "@tocsin/client": [`${CLIENT}src/index.ts`],
      "@tocsin/client/react": [`${CLIENT}src/react/index.ts`],
    },
  },
  include: [`${FOLDER}/*.jsx`],
};

test("every piece of code in the documentation can be copied as it stands", () => {
  const text = readFileSync(`${CLIENT}../../docs/javascript.md`, "utf8");
  const pieces = [...text.matchAll(/^```jsx?\n(.*?)^```/gms)].map(([, piece = ""]) => piece);
  assert.ok(pieces.length >= 2);
  mkdirSync(FOLDER, { recursive: true });
  pieces.forEach((piece, index) => writeFileSync(`${FOLDER}/${index}.jsx`, piece));
  writeFileSync(`${FOLDER}/tsconfig.json`, JSON.stringify(SETTINGS));
  execFileSync("npm", ["exec", "--no", "--", "tsc", "-p", `${FOLDER}/tsconfig.json`], {
    cwd: CLIENT,
    stdio: "inherit",
  });
});
