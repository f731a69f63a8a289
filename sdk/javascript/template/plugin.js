// @ts-check
// Marks the calls to the numbers in a table: the header field X-Vip and the attribute `vip` tell their level.
//
// `config = { table = "vips" }`

import { lookup, proceed } from "./trunkline/index.js";

let table = "vips";

/** @param {{ table?: string }} config */
export function configure({ table: name = table, ...unknown }) {
  if (Object.keys(unknown).length > 0) {
    throw new Error(`unknown key ${Object.keys(unknown)}: there is only \`table\``);
  }
  table = name;
}

/** @param {import("./trunkline/index.js").Call} call */
export function handle(call) {
  const row = lookup(table, call.callee);
  if (row === undefined) {
    return proceed();
  }
  const level = String(row.level);
  return proceed().setHeader("X-Vip", level).attribute("vip", level);
}
