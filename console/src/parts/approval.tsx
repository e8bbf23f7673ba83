/** A tool call that waits for a person, and the three answers to it. */

import { useState } from "preact/hooks";
import { may, of, send, type Approval, type Me } from "../api";
import { Act, Time } from "./basics";

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
        <strong>May it use {approval.tool}?</strong> <span class="hint">asked <Time at={approval.asked_at} />, rule <code>{approval.rule}</code></span>
      </p>
      <pre tabIndex={0}>{approval.summary}</pre>
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
