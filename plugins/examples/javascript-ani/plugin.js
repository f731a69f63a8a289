// @ts-check
// Brings the calling number (ANI) into one form, E.164 with `+`, whatever the customer's switch sends: so that blocklists,
// rates and the far end's caller name all see the same number.
//
// | key | default | meaning |
// |---|---|---|
// | `country` | `1` | the country code of numbers without one |
// | `national` | none | what stands before a national number, such as `0` |
// | `international` | `011`, `00` | what stands before an international one |
// | `length` | 10 | digits of a national number |
// | `invalid` | `keep` | `reject`: a number that cannot be one is refused with 484; `keep`: it goes on as it came |
// | `shown` | none | exact table of the numbers that the customer may show; a call with another gets 403 |
//
// Leaves the attribute `ani-received` where it changed the number.

import { lookup, proceed, reject } from "./trunkline/index.js";

/** What E.164 allows, country code included. */
const LONGEST = 15;

const settings = { country: "1", national: "", international: ["011", "00"], length: 10, invalid: "keep", shown: "" };

/** @param {Partial<typeof settings>} config */
export function configure(config) {
  for (const key of Object.keys(config)) {
    if (!(key in settings)) {
      throw new Error(`unknown key ${key}: there are ${Object.keys(settings).join(", ")}`);
    }
  }
  Object.assign(settings, config);
  if (!/^\d{1,3}$/.test(settings.country)) {
    throw new Error(`country: ${settings.country} is no country code, such as 1 or 44`);
  }
  if (settings.invalid !== "keep" && settings.invalid !== "reject") {
    throw new Error(`invalid: ${settings.invalid} is neither keep nor reject`);
  }
}

/** @param {import("./trunkline/index.js").Call} call */
export function handle(call) {
  // An anonymous caller has no number, and stays without.
  if (call.caller === "") {
    return proceed();
  }
  const global = /^[^:]*:\+/.test(call.fromUri) && call.fromUri.includes(call.caller);
  const number = e164(call.caller, global);
  if (number === undefined) {
    return settings.invalid === "reject"
      ? reject(484, "Invalid Calling Number")
      : proceed().attribute("ani", "invalid");
  }
  if (settings.shown !== "" && lookup(settings.shown, number) === undefined) {
    return reject(403, "Calling Number Not Yours");
  }
  if (global && number === call.caller) {
    return proceed();
  }
  return proceed().callerNumber(`+${number}`).attribute("ani-received", call.caller);
}

/**
 * @param {string} digits
 * @param {boolean} global
 * @returns {string | undefined} with country code, without `+`
 */
function e164(digits, global) {
  const whole = withCountry(digits, global);
  return whole !== undefined && whole.length > settings.country.length && whole.length <= LONGEST ? whole : undefined;
}

/**
 * @param {string} digits
 * @param {boolean} global
 */
function withCountry(digits, global) {
  const { country, national, international, length } = settings;
  if (global) {
    return digits;
  }
  const abroad = international.find((prefix) => digits.startsWith(prefix));
  if (abroad !== undefined) {
    return digits.slice(abroad.length);
  }
  const bare = national !== "" && digits.startsWith(national) ? digits.slice(national.length) : digits;
  if (bare.length === length) {
    return country + bare;
  }
  if (bare.length === length + country.length && bare.startsWith(country)) {
    return bare;
  }
  return undefined;
}
