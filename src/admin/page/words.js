// Words and numbers, in the browser's language.

const $ = (id) => document.getElementById(id);
const WORDS = JSON.parse($("words").textContent);
// Each language's names of phases, outcomes and states, from the library's own lists.
const NAMES = JSON.parse($("names").textContent);

const LANGUAGE = (() => {
  const [primary, ...rest] = (navigator.language || "").toLowerCase().split("-");
  if (primary !== "zh") return 0;
  const has = (part) => rest.includes(part);
  const tag = has("hant") || (!has("hans") && ["tw", "hk", "mo"].some(has)) ? "zh-Hant" : "zh-Hans";
  return Math.max(0, NAMES.findIndex((names) => names.tag === tag));
})();

/** A text in the browser's language, its `{placeholders}` filled in. */
function say(key, values = {}) {
  return WORDS[key][LANGUAGE].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** The browser's word for a name of the server's: `kind` is phase, headline, outcome, ended_by or state. */
function named(kind, name) {
  const word = NAMES[LANGUAGE][kind][name] ?? name;
  return word.charAt(0).toUpperCase() + word.slice(1);
}

const lower = (kind, name) => NAMES[LANGUAGE][kind][name] ?? name;

/** A duration, as its value and its unit. */
function split(ms) {
  const whole = Math.max(0, Math.round(ms));
  if (whole < 1000) return [String(whole), say("ms")];
  if (whole < 120000) return [(whole / 1000).toFixed(1), say("s")];
  return [`${Math.floor(whole / 60000)}:${String(Math.floor(whole / 1000) % 60).padStart(2, "0")}`, say("min")];
}

const time = (ms) => split(ms).join(" ");

/** A timeout is a round number more often than not: it goes without a needless ".0". */
const bound = (ms) => time(ms).replace(/\.0(?= )/, "");

/** A moving clock keeps its unit: a countdown that turns from seconds to milliseconds cannot be read. */
const running = (ms) => (ms < 120000 ? `${(Math.max(0, ms) / 1000).toFixed(1)} ${say("s")}` : time(ms));

/** A long time in its two largest units. */
function uptime(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} ${say("s")}`;
  if (s < 3600) return `${Math.floor(s / 60)} ${say("min")}`;
  if (s < 86400) return `${Math.floor(s / 3600)} ${say("h")} ${Math.floor((s % 3600) / 60)} ${say("min")}`;
  return `${Math.floor(s / 86400)} ${say("d")} ${Math.floor((s % 86400) / 3600)} ${say("h")}`;
}

const count = (n) => n.toLocaleString(document.documentElement.lang);
