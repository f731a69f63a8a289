// Makes a component of a plugin: node build.mjs SOURCE WIT OUT, all absolute paths.

import { writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";

const [sourcePath, witPath, out] = process.argv.slice(2);
const { component } = await componentize({
  sourcePath,
  witPath,
  worldName: "stage",
  // Each of these would be an import from WASI, which the router does not lend.
  disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
});
await writeFile(out, component);
