/** A tool call that waits for a person, and the three answers to it. */

import { useState } from "preact/hooks";
import { get, may, of, send, type Approval, type Me, type Step, type Transcript } from "../api";
import { exact } from "../format";
import { Act, Problem, Time } from "./basics";
import { readable } from "./steps";

export function ApprovalCard({ approval, session, me, onAnswered }: {
  approval: Approval;
  session: string;
  me: Me;
  onAnswered: () => void;
}) {
  const [note, setNote] = useState("");
  const expired = approval.expires_at * 1000 < Date.now();
  const answer = (choice: string) => async () => {
    await send("POST", of(session, "/approval"), { choice, question: approval.id, note: choice === "deny" ? note : "" });
    onAnswered();
  };
  return (
    <div class="approval" role="group" aria-label={`Approval of ${approval.tool}`}>
      <p>
        <strong>May it use {approval.tool}?</strong> <span class="hint">asked <Time at={approval.asked_at} />, rule <code>{approval.rule}</code>{expired ? "" : `, until ${exact(approval.expires_at)}`}</span>
      </p>
      <pre tabIndex={0}>{approval.summary}</pre>
      <Whole approval={approval} session={session} />
      {expired ? (
        <p class="hint">Nobody can allow it any more: the session's next message refuses it.</p>
      ) : may(me, "operator") ? (
        <div class="actions">
          <Act kind="primary" act={answer("once")}>Allow once</Act>
          <Act act={answer("always")}>Allow for this session</Act>
          <input type="text" placeholder="Why not (told to the agent)" aria-label="Note with a refusal" value={note}
            maxLength={500} onInput={(event) => setNote(event.currentTarget.value)} />
          <Act kind="danger" act={answer("deny")}>Refuse</Act>
        </div>
      ) : (
        <p class="hint">Your key may look, and not answer.</p>
      )}
    </div>
  );
}

/** Everything the call would do, asked for when somebody wants to see it: what is allowed has to be read first. */
function Whole({ approval, session }: { approval: Approval; session: string }) {
  const [input, setInput] = useState<string>();
  const [error, setError] = useState<Error>();
  const opened = async () => {
    try {
      const found = await get<Transcript>(of(session, "/transcript?limit=5"));
      const story = found.turns.find((each) => each.result.message_id === approval.message_id);
      setInput(readable(openCall(story?.steps ?? [], approval.tool) ?? "The call is not in the last turns."));
    } catch (failed) {
      setError(failed as Error);
    }
  };
  return (
    <details class="fold" onToggle={(event) => event.currentTarget.open && input === undefined && void opened()}>
      <summary>The whole call</summary>
      <Problem error={error} />
      {input !== undefined && <pre tabIndex={0}>{input}</pre>}
    </details>
  );
}

function openCall(steps: Step[], tool: string): string | undefined {
  for (const { call } of [...steps].reverse()) {
    const inner = call && openCall(call.steps, tool);
    if (inner) return inner;
    if (call?.name === tool && call.status === "open") return call.input;
  }
  return undefined;
}
