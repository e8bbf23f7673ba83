/** A committed turn: what was asked, what was done, what it cost. */

import type { Story } from "../api";
import { cacheShare, count, money, percent, plural, seconds } from "../format";
import { Badge, Time } from "./basics";
import { Markdown } from "./markdown";
import { Steps } from "./steps";

const ANSWER = /^\/(once|always|deny) [0-9a-f]{8}\s*(.*)$/s;
const ANSWERED: Record<string, string> = { once: "Allowed once.", always: "Allowed for this session.", deny: "Refused." };

export function Turn({ story, session }: { story: Story; session: string }) {
  const { result, steps, remembered } = story;
  const tells = steps.some((step) => step.kind === "text" && step.text.trim());
  return (
    <article class={`turn ${remembered ? "" : "forgotten"}`} aria-label={`Turn ${result.turn}`}>
      <div class="bubble user">{asked(result.text)}</div>
      <div class="bubble agent">
        <Steps steps={steps} session={session} />
        {(!tells || result.is_error) && result.reply && <Markdown text={result.reply} />}
      </div>
      <footer class="meta">
        <span>turn {result.turn}</span>
        <Time at={result.at} />
        <span>{money(result.usd)}</span>
        <span>{count(result.input_tokens + result.cache_read_tokens + result.cache_write_tokens)} in, {count(result.output_tokens)} out, {percent(cacheShare(result))} cached</span>
        <span>{seconds(result.seconds)}, {plural(result.agent_turns, "model call")}</span>
        {!remembered && <Badge kind="muted">not in the agent's memory</Badge>}
        {result.is_error && <Badge kind="failed">{result.stop_reason || "failed"}</Badge>}
        {result.stop_reason === "interrupted" && <Badge kind="muted">stopped</Badge>}
      </footer>
    </article>
  );
}

function asked(text: string): string {
  const [, choice, note] = ANSWER.exec(text) ?? [];
  return choice ? `${ANSWERED[choice]} ${note}`.trim() : text;
}
