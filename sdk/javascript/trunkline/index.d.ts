/**
 * Write a routing stage of the Trunkline SIP router in JavaScript.
 *
 * A plugin is a file `plugin.js` that exports one function, and a second one where it has a configuration:
 *
 *     import { lookup, proceed } from "./trunkline/index.js";
 *     export function configure(config) {}   // once per instance; what it throws refuses the load
 *     export function handle(call) {}        // one call; what it throws is a failure of the stage
 *
 * What `handle` answers is applied whole when it returns, else not at all. What it throws stands, with its place, in the
 * host's log and in the call's record, and the stage's `on-failure` decides what becomes of the call: to refuse a call
 * on purpose, answer `reject`.
 *
 * One instance handles one call at a time; module variables live as long as the instance, which can be thrown away at any
 * moment. There is no WASI: no `fetch`, no `console`, no timers; `Date` and `Math.random` are of no use: see `now`.
 */

/** A snapshot of the call as the stage finds it: as received, with the edits of earlier stages applied. */
export interface Call {
  /** The Call-ID header field. */
  readonly id: string;
  /** The customer, by its name in the configuration. */
  readonly customer: string;
  /** The address that sent the request, without port. */
  readonly source: string;
  readonly sourcePort: number;
  readonly transport: "udp" | "tcp" | "tls";
  /** The calling number (ANI) as digits without `+`; empty where there is none. */
  readonly caller: string;
  /** The called number (DNIS) as digits; empty where there is none. */
  readonly callee: string;
  /** The Request-URI, whole. */
  readonly requestUri: string;
  /** The URI in From. */
  readonly fromUri: string;
  /** The URI in To. */
  readonly toUri: string;
  /** What earlier stages and the customer's configuration left; see `attribute`. */
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
  /** What the host made of the credentials in the request. */
  readonly digest: { tag: "absent" } | { tag: "verified"; val: string } | { tag: "stale" } | { tag: "failed" };
}

/** A verdict, and what is changed and left with it. Every method returns the outcome itself. */
export class Outcome {
  private constructor();
  /** Leave a text for later stages and the call record. */
  attribute(name: string, value: string): this;
  /** Set the display name in From and P-Asserted-Identity. */
  callerName(name: string): this;
  /** Set the number in From and P-Asserted-Identity: digits, may begin with `+`. */
  callerNumber(number: string): this;
  /** Set the number in the Request-URI: digits, may begin with `+`, may hold `*` and `#`. */
  calleeNumber(number: string): this;
  /** Set a parameter in the user part of the Request-URI, such as `rn` (RFC 4694). */
  userParameter(name: string, value?: string): this;
  /** Replace every header field of this name by one, or add it. */
  setHeader(name: string, value: string): this;
  /** Add a header field after those of the same name. */
  addHeader(name: string, value: string): this;
  /** Remove every header field of this name. */
  removeHeader(name: string): this;
}

/** Go on with the next stage. */
export function proceed(): Outcome;
/** Refuse the call with this final response, 300 to 699; without a reason, with the standard one. */
export function reject(code: number, reason?: string): Outcome;
/** Ask for digest credentials in this realm. */
export function challenge(realm: string): Outcome;
/** Answer 302 with these Contact URIs, in order. */
export function redirect(contacts: string[]): Outcome;
/** Hunt these gateways in order, at most 32; see `to`. */
export function route(routes: Route[]): Outcome;

/** One attempt of the hunt: made by `to`. */
export interface Route {
  readonly gateway: string;
}

/** What of an attempt differs from the call, the gateway and the configuration. */
export interface RouteOptions {
  /** The number to dial, and the number to show, through this gateway. */
  callee?: string;
  caller?: string;
  /** What a minute costs us, and what the customer pays: decimals as text, such as `"0.0120"`. Money is never a float. */
  cost?: string;
  price?: string;
  /** ISO 4217; `USD` unless told. */
  currency?: string;
  /** Milliseconds until the first provisional response, and until the final one. */
  attemptTimeout?: number;
  ringTimeout?: number;
  headers?: Record<string, string>;
  /** Ring it together with the route before it. */
  parallel?: boolean;
}

/** An attempt over a gateway by its name in the configuration. */
export function to(gateway: string, options?: RouteOptions): Route;

/** A typed value of a row: a decimal is text with all its places; an integer beyond 2^53 is a bigint. */
export type Value = string | number | bigint | boolean;
/** The fields of a row by name. What the table has no value for is absent or an empty text. */
export type Row = Record<string, Value>;

/** A table gave no answer: `reason` says why. */
export class LookupFailed extends Error {
  readonly table: string;
  readonly reason: string;
}

/** A service gave no answer: `reason` says why. */
export class ServiceFailed extends Error {
  readonly service: string;
  readonly reason: string;
}

/** The row under exactly this key; undefined where the table has none. Throws `LookupFailed`. */
export function lookup(table: string, key: string): Row | undefined;
/** Several lookups at once, at most 32. Answers in order; a failure is not thrown. */
export function lookupAll(queries: { table: string; key: string }[]): (Row | undefined | LookupFailed)[];
/** Every row whose key is a prefix of `digits`, longest first. Throws `LookupFailed`. */
export function lookupPrefix(table: string, digits: string): Row[];
/** The values of every header field of this name, long or compact form, as received. */
export function header(name: string): string[];
/** What an earlier stage or the customer's configuration left under a name. */
export function attribute(call: Call, name: string): string | undefined;
/**
 * Ask a named HTTP service, with POST where there is a body. Throws `ServiceFailed`. A network round trip while the
 * stage waits: prefer a table, which is cached.
 */
export function callService(
  service: string,
  path: string,
  options?: { body?: string | Uint8Array; headers?: Record<string, string> },
): { status: number; body: Uint8Array };
/** Take one of `perSecond` events of this second for `key`; false when they are used up. */
export function takeRate(key: string, perSecond: number): boolean;
/** Take one of `max` permits for `key`; false when all are out. The host gives it back when the call ends. */
export function takePermit(key: string, max: number): boolean;
/** A line for the operator's log: at most 1,024 bytes, at most 16 lines per call. */
export function debug(text: string): void;
export function info(text: string): void;
export function warn(text: string): void;
export function error(text: string): void;
/** Add to a counter of this plugin; its name is `[a-z_]{1,48}`. */
export function metric(name: string, add?: number): void;
/** Microseconds since 1970-01-01 00:00 UTC, the same throughout one call. */
export function now(): number;
