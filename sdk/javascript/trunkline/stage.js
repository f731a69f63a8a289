// The component's side of the border: what the host calls, and how the plugin is called in turn.

import * as plugin from "../plugin.js";
import { Outcome, error } from "./index.js";

export function configure(config) {
  try {
    // The host writes `null` where the operator wrote no `config`.
    plugin.configure?.(JSON.parse(config) ?? {});
  } catch (thrown) {
    throw told(thrown);
  }
}

export function handle(call) {
  try {
    const outcome = plugin.handle(call);
    if (!(outcome instanceof Outcome)) {
      throw new TypeError("handle must return an Outcome, such as proceed()");
    }
    return outcome;
  } catch (thrown) {
    // Left to itself, an Error would end the instance without a word.
    error(`${thrown}\n${thrown?.stack ?? ""}`.slice(0, 1024));
    throw told(thrown);
  }
}

// A thrown text becomes the error of the contract's result.
function told(thrown) {
  const place = /plugin\.js:\d+/.exec(thrown?.stack ?? "");
  return place === null ? `${thrown}` : `${thrown} (${place[0]})`;
}
