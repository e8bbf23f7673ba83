/** The turn that runs now, as its events tell of it: not durable before its result. */

import type { Happening } from "../stream";
import { Markdown } from "./markdown";

export interface LiveTurn {
  id: string;
  /** The beginning of the message that is answered. */
  asked: string;
  text: string;
  tools: { number: number; name: string; summary: string; status: string }[];
  retried: boolean;
  ended: boolean;
}

export function advanced(now: LiveTurn | null, { name, data }: Happening): LiveTurn {
  const turn = now?.id === data.message_id && now ? now : { id: data.message_id, asked: "", text: "", tools: [], retried: false, ended: false };
  if (name === "retry") return { ...turn, retried: true, ended: true };
  if (name === "asked") return { ...turn, asked: data.text, ended: false };
  if (name === "text") return { ...turn, ended: false, text: data.append ? turn.text + data.text : data.text };
  if (name !== "tool") return turn;
  const tools = [...turn.tools.filter((tool) => tool.number !== data.number), data];
  return { ...turn, ended: false, tools: tools.sort((a, b) => a.number - b.number) };
}

export function Live({ turn }: { turn: LiveTurn }) {
  return (
    <article class="turn live" aria-label="The running turn" aria-busy={!turn.ended}>
      <div class="bubble agent">
        {turn.retried && <p class="hint">The run was cut off. {turn.ended ? "Its message is tried again, unless somebody has removed it." : "This is the next one."}</p>}
        {turn.tools.map((tool) => (
          <p key={tool.number} class={`live-tool ${tool.status}`}>
            <span class="tool-name">{tool.name}</span> <span class="telling">{tool.summary}</span>
            <span class="tool-status">{tool.status}</span>
          </p>
        ))}
        {turn.text && <Markdown text={turn.text} />}
        {!turn.ended && <p class="dots" role="presentation"><i /><i /><i /></p>}
      </div>
    </article>
  );
}
