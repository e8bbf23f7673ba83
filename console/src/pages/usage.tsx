/** Cost and tokens over time, and where they went. */

import type { Usage, UsageLine } from "../api";
import { useAsked } from "../ask";
import { cacheShare, count, money, percent, plural, shortKey } from "../format";
import { Empty, Numbers, Page, Problem } from "../parts/basics";
import { Skeleton } from "../parts/skeleton";
import { Chart } from "../parts/chart";
import { link } from "../route";

export const TOKENS = ["read from the cache", "written to the cache", "input", "output"];

export function parts(of: Pick<UsageLine, "cache_read_tokens" | "cache_write_tokens" | "input_tokens" | "output_tokens">): number[] {
  return [of.cache_read_tokens, of.cache_write_tokens, of.input_tokens, of.output_tokens];
}

const DAYS = 60;
const DEAREST = 50;

export function UsagePage() {
  const days = useAsked<Usage>(`/v1/usage?by=day&days=${DAYS}`);
  const sessions = useAsked<Usage>(`/v1/usage?by=session&limit=${DEAREST}`);
  if (!days.data) return <Page title="Usage">{days.error ? <Problem error={days.error} /> : <Skeleton kind="numbers" />}</Page>;
  const lines = [...days.data.lines].reverse();
  const total = days.data.total;
  return (
    <Page title="Usage">
      <p class="hint">Of the last {DAYS} days.</p>
      <Numbers of={[
        ["Cost", money(total.usd)], ["Turns", count(total.turns)],
        ["Input tokens", count(total.input_tokens + total.cache_read_tokens + total.cache_write_tokens)],
        ["Output tokens", count(total.output_tokens)], ["Input from the cache", percent(cacheShare(total))],
      ]} />
      {lines.length === 0 ? <Empty>Nothing was used yet.</Empty> : (
        <>
          <h2>Tokens by day</h2>
          <Chart names={TOKENS} label="Tokens by day, with the share of the input that was cached" unit={count} line="share of the input from the cache"
            bars={lines.map((line) => ({ name: line.name.slice(5), parts: parts(line), share: cacheShare(line), title: told(line) }))} />
          <h2>Cost by day</h2>
          <Chart names={["US dollars"]} label="Cost by day" unit={money}
            bars={lines.map((line) => ({ name: line.name.slice(5), parts: [line.usd], share: null, title: told(line) }))} />
        </>
      )}
      <h2>The dearest sessions</h2>
      <Problem error={sessions.error} />
      {!sessions.data && !sessions.error && <Skeleton kind="table" />}
      <div class="wide" tabIndex={0} role="region" aria-label="The dearest sessions">
        <table>
          <thead><tr><th scope="col">Session</th><th scope="col" class="number">Turns</th><th scope="col" class="number">Cost</th><th scope="col" class="number">Input</th><th scope="col" class="number">Output</th><th scope="col" class="number">Cached</th></tr></thead>
          <tbody>
            {sessions.data?.lines.map((line) => (
              <tr key={line.session_id}>
                <td><a href={link("sessions", line.session_id!, "cost")}>{shortKey(line.name)}</a></td>
                <td class="number">{line.turns}</td>
                <td class="number">{money(line.usd)}</td>
                <td class="number">{count(line.input_tokens + line.cache_read_tokens + line.cache_write_tokens)}</td>
                <td class="number">{count(line.output_tokens)}</td>
                <td class="number">{percent(cacheShare(line))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Page>
  );
}

function told(line: UsageLine): string {
  return `${line.name}: ${money(line.usd)}, ${plural(line.turns, "turn")}, ${percent(cacheShare(line))} of the input cached`;
}
