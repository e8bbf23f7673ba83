/** A committed turn: what was asked, what was done, what it cost. */

import type { ComponentChildren } from "preact";
import type { Story, TurnFile } from "../api";
import { cacheShare, count, money, percent, plural, seconds } from "../format";
import { Badge, Time } from "./basics";
import { Files } from "./files";
import { Markdown } from "./markdown";
import { Steps } from "./steps";

const ANSWER = /^\/(once|always|deny) [0-9a-f]{8}\s*(.*)$/s;
const ANSWERED: Record<string, string> = { once: "Allowed once.", always: "Allowed for this session.", deny: "Refused." };

export function Turn({ story, session }: { story: Story; session: string }) {
  const { result, steps, remembered } = story;
  const tells = steps.some((step) => step.kind === "text" && step.text.trim());
  return (
    <article class={`turn ${remembered ? "" : "forgotten"}`} aria-label={`Turn ${result.turn}`}>
      <Said text={asked(withoutNames(result.text, result.attachments))}>
        <Files files={result.attachments} session={session} turn={result.turn} label="Came with the message" />
      </Said>
      <div class="bubble agent">
        <Steps steps={steps} session={session} />
        {(!tells || result.is_error) && result.reply && <Markdown text={result.reply} />}
        <Files files={result.files} session={session} turn={result.turn} label="Went out with the reply" />
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

/** What somebody has said, and the files beside it. */
export function Said({ text, children }: { text: string; children?: ComponentChildren }) {
  return (
    <div class="bubble user">
      {text && <div class="words">{text}</div>}
      {children}
    </div>
  );
}

/** Channels name the files of a message in its text, for the agent; here they are shown themselves. */
function withoutNames(text: string, files: TurnFile[]): string {
  const names = new Set(files.map((file) => `[file: ${file.path}]`));
  return names.size ? text.split("\n").filter((line) => !names.has(line.trim())).join("\n").trim() : text;
}

function asked(text: string): string {
  const [, choice, note] = ANSWER.exec(text) ?? [];
  return choice ? `${ANSWERED[choice]} ${note}`.trim() : text;
}
