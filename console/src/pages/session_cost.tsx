/** What the turns of one session cost, the latest hundred. */

import { of, type Result } from "../api";
import { useAsked } from "../ask";
import { cacheShare, count, money, percent } from "../format";
import { Empty, Problem } from "../parts/basics";
import { Skeleton } from "../parts/skeleton";
import { Chart } from "../parts/chart";
import { TOKENS, parts } from "./usage";

export function SessionCost({ session }: { session: string }) {
  const { data, error } = useAsked<{ turns: Result[] }>(of(session, "/messages?limit=100"), 10_000);
  if (!data) return <div class="page">{error ? <Problem error={error} /> : <Skeleton kind="numbers" />}</div>;
  if (!data.turns.length) return <Empty>There is no turn yet.</Empty>;
  const bars = data.turns.map((turn) => ({
    name: String(turn.turn),
    parts: parts(turn),
    share: cacheShare(turn),
    title: `turn ${turn.turn}: ${money(turn.usd)}, ${percent(cacheShare(turn))} of the input cached`,
  }));
  const costs = data.turns.map((turn) => ({ name: String(turn.turn), parts: [turn.usd], share: null, title: `turn ${turn.turn}: ${money(turn.usd)}` }));
  return (
    <div class="page">
      <h2>Tokens by turn</h2>
      <Chart bars={bars} names={TOKENS} label="Tokens by turn, with the share of the input that was cached" unit={count} line="share of the input from the cache" />
      <h2>Cost by turn</h2>
      <Chart bars={costs} names={["US dollars"]} label="Cost by turn" unit={money} />
    </div>
  );
}
