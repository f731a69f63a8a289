// Write a routing stage of the Trunkline SIP router in JavaScript: see index.d.ts.

import { now as clock } from "trunkline:routing/clock@0.1.0";
import * as limits from "trunkline:routing/limits@0.1.0";
import * as lookups from "trunkline:routing/lookups@0.1.0";
import * as message from "trunkline:routing/message@0.1.0";
import * as services from "trunkline:routing/services@0.1.0";
import * as telemetry from "trunkline:routing/telemetry@0.1.0";

export class Outcome {
  constructor(verdict) {
    this.verdict = verdict;
    this.edits = [];
    this.attributes = [];
  }
  attribute(name, value) {
    this.attributes.push({ name, value });
    return this;
  }
  callerName(name) {
    return edit(this, "caller-name", name);
  }
  callerNumber(number) {
    return edit(this, "caller-number", number);
  }
  calleeNumber(number) {
    return edit(this, "callee-number", number);
  }
  userParameter(name, value = "") {
    return edit(this, "user-parameter", { name, value });
  }
  setHeader(name, value) {
    return edit(this, "set-header", { name, value });
  }
  addHeader(name, value) {
    return edit(this, "add-header", { name, value });
  }
  removeHeader(name) {
    return edit(this, "remove-header", name);
  }
}

function edit(outcome, tag, val) {
  outcome.edits.push({ tag, val });
  return outcome;
}

export function proceed() {
  return new Outcome({ tag: "proceed" });
}

export function reject(code, reason = "") {
  return new Outcome({ tag: "reject", val: { code, reason, headers: [] } });
}

export function challenge(realm) {
  return new Outcome({ tag: "challenge", val: realm });
}

export function redirect(contacts) {
  return new Outcome({ tag: "redirect", val: contacts });
}

export function route(routes) {
  return new Outcome({ tag: "route", val: routes });
}

export function to(gateway, { cost, price, currency = "USD", headers = {}, parallel = false, ...rest } = {}) {
  const rate =
    cost === undefined
      ? undefined
      : { cost: decimal(cost), price: price === undefined ? undefined : decimal(price), currency };
  const fields = Object.entries(headers).map(([name, value]) => ({ name, value }));
  return { ...rest, gateway, rate, headers: fields, parallel };
}

// Money is never a float: "0.0120" is 120 of the fourth place after the point.
function decimal(text) {
  const parts = /^(-?)(\d+)(?:\.(\d{1,18}))?$/.exec(text);
  if (typeof text !== "string" || parts === null) {
    throw new TypeError(`${text} is no amount of money: write it as text, such as "0.0120"`);
  }
  const [, sign, whole, places = ""] = parts;
  return { digits: BigInt(sign + whole + places), scale: places.length };
}

export class LookupFailed extends Error {
  constructor(table, reason) {
    super(`table ${table}: ${reason}`);
    this.name = "LookupFailed";
    this.table = table;
    this.reason = reason;
  }
}

export class ServiceFailed extends Error {
  constructor(service, reason) {
    super(`service ${service}: ${reason}`);
    this.name = "ServiceFailed";
    this.service = service;
    this.reason = reason;
  }
}

export function lookup(table, key) {
  let found;
  try {
    found = lookups.lookup(table, key);
  } catch (failed) {
    throw new LookupFailed(table, reason(failed));
  }
  return found === undefined ? undefined : row(found);
}

export function lookupAll(queries) {
  return lookups.lookupAll(queries).map((answer, place) => {
    if (answer.tag === "err") {
      return new LookupFailed(queries[place].table, reason({ payload: answer.val }));
    }
    return answer.val === undefined ? undefined : row(answer.val);
  });
}

export function lookupPrefix(table, digits) {
  try {
    return lookups.lookupPrefix(table, digits).map(row);
  } catch (failed) {
    throw new LookupFailed(table, reason(failed));
  }
}

export function header(name) {
  return message.header(name);
}

export function attribute(call, name) {
  return call.attributes.findLast((held) => held.name === name)?.value;
}

export function callService(service, path, { body, headers = {} } = {}) {
  const method = body === undefined ? "get" : "post";
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : (body ?? new Uint8Array());
  try {
    return services.call(service, { method, path, headers: Object.entries(headers), body: bytes });
  } catch (failed) {
    throw new ServiceFailed(service, reason(failed));
  }
}

export function takeRate(key, perSecond) {
  return limits.takeRate(key, perSecond);
}

export function takePermit(key, max) {
  return limits.takePermit(key, max);
}

export function debug(text) {
  telemetry.log("debug", text);
}

export function info(text) {
  telemetry.log("info", text);
}

export function warn(text) {
  telemetry.log("warn", text);
}

export function error(text) {
  telemetry.log("error", text);
}

export function metric(name, add = 1) {
  telemetry.metric(name, BigInt(add));
}

export function now() {
  return Number(clock());
}

function row(fields) {
  return Object.fromEntries(fields.map((field) => [field.name, value(field.value)]));
}

function value({ tag, val }) {
  switch (tag) {
    case "decimal":
      return written(val);
    case "integer":
      return Number.isSafeInteger(Number(val)) ? Number(val) : val;
    default:
      return val;
  }
}

function written({ digits, scale }) {
  const sign = digits < 0n ? "-" : "";
  const text = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, "0");
  return scale === 0 ? sign + text : `${sign}${text.slice(0, -scale)}.${text.slice(-scale)}`;
}

// The binding throws `{ payload: { tag, val } }`; anything else is a fault of the call itself.
function reason(failed) {
  const { tag, val } = failed.payload ?? {};
  if (tag === undefined) {
    return String(failed);
  }
  const words = tag.replaceAll("-", " ");
  return val === undefined ? words : `${words}: ${val}`;
}
