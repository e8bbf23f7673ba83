/** Numbers and times as people read them. */

const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });
const full = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium", hour12: false });

export function ago(at: number, now = Date.now() / 1000): string {
  const seconds = Math.max(0, now - at);
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 7 * 86400) return `${Math.round(seconds / 86400)} d ago`;
  return day.format(at * 1000);
}

export function exact(at: number): string {
  return full.format(at * 1000);
}

export function iso(at: number): string {
  return new Date(at * 1000).toISOString();
}

export function money(usd: number): string {
  if (usd === 0) return "$0";
  return usd < 0.1 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`;
}

export function count(number: number): string {
  if (number < 10_000) return Math.round(number).toLocaleString("en");
  if (number < 1_000_000) return `${(number / 1000).toFixed(number < 100_000 ? 1 : 0)}k`;
  return `${(number / 1_000_000).toFixed(1)}M`;
}

export function bytes(number: number): string {
  if (number < 1024) return `${number} B`;
  if (number < 1024 * 1024) return `${(number / 1024).toFixed(1)} KB`;
  return `${(number / 1024 / 1024).toFixed(1)} MB`;
}

export function seconds(number: number): string {
  if (number < 0.001) return `${(number * 1e6).toFixed(0)} µs`;
  if (number < 1) return `${(number * 1000).toFixed(number < 0.01 ? 1 : 0)} ms`;
  return number < 90 ? `${number.toFixed(1)} s` : `${Math.floor(number / 60)} min ${Math.round(number % 60)} s`;
}

export function plural(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** Of the input tokens, those that came from the prompt cache; null when there were none. */
export function cacheShare(of: { input_tokens: number; cache_read_tokens: number; cache_write_tokens: number }): number | null {
  const all = of.input_tokens + of.cache_read_tokens + of.cache_write_tokens;
  return all ? of.cache_read_tokens / all : null;
}

export function percent(share: number | null): string {
  return share === null ? "–" : `${Math.round(share * 100)} %`;
}

/** A session key without its tenant: everything on a page is of one tenant. */
export function shortKey(key: string): string {
  return key.split(":").slice(1).join(":");
}
