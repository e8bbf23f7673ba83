/** How full the queue is, and the messages that were given up. */

import { useState } from "preact/hooks";
import { get, may, send, type Letter, type Me, type Queue } from "../api";
import { useAsked } from "../ask";
import { plural, shortKey } from "../format";
import { Act, Confirm, Empty, Numbers, Page, Problem, Time } from "../parts/basics";
import { Skeleton } from "../parts/skeleton";
import { link } from "../route";

interface Letters {
  dead_letters: Letter[];
  after: string | null;
}

export function QueuePage({ me, onChange }: { me: Me; onChange: () => void }) {
  const queue = useAsked<Queue>("/v1/queue", 3_000);
  const letters = useAsked<Letters>("/v1/queue/dead?limit=100", 5_000);
  const [purged, setPurged] = useState<Letter | null>(null);
  const changed = () => { queue.again(); letters.again(); onChange(); };
  const redrive = async (letter: Letter) => send("POST", `/v1/queue/dead/${encodeURIComponent(letter.id)}/redrive`);
  const all = letters.data?.dead_letters ?? [];
  return (
    <Page title="Queue" actions={may(me, "operator") && all.length > 1 && (
      <Act act={async () => { for (const letter of all) await redrive(letter); changed(); }}>Send all {all.length} again</Act>
    )}>
      <Problem error={queue.error ?? letters.error} />
      <Numbers of={[["Waiting", queue.data?.waiting ?? "–"], ["With a worker", queue.data?.in_flight ?? "–"], ["Dead letters", queue.data?.dead ?? "–"]]} />
      <h2>Dead letters</h2>
      {!letters.data && !letters.error && <Skeleton kind="cards" />}
      {letters.data && all.length === 0 && <Empty>No message was given up.</Empty>}
      <ul class="cards">
        {all.map((letter) => (
          <li key={letter.id} class="letter">
            <div>
              <h3><a data-row href={link("sessions", letter.session_key)}>{shortKey(letter.session_key)}</a></h3>
              <p class="meta"><Time at={letter.died_at} /><span>tried {plural(letter.receives, "time")}</span></p>
              <p class="reason">{letter.reason}</p>
              <blockquote>{letter.text ?? "(it cannot be read)"}</blockquote>
              <Body letter={letter} />
            </div>
            <div class="actions">
              {may(me, "operator") && <Act kind="primary" label={`Send again: ${letter.text ?? letter.id}`} act={async () => { await redrive(letter); changed(); }}>Send again</Act>}
              {may(me, "admin") && <button type="button" class="danger" onClick={() => setPurged(letter)}>Remove</button>}
            </div>
          </li>
        ))}
      </ul>
      {letters.data?.after && <p class="hint">There are more than these.</p>}
      {purged && (
        <Confirm title="Remove this message for good?" does="Remove" onClose={() => setPurged(null)}
          act={async () => { await send("DELETE", `/v1/queue/dead/${encodeURIComponent(purged.id)}`); changed(); }}>
          <p>It will never be answered.</p>
        </Confirm>
      )}
    </Page>
  );
}

function Body({ letter }: { letter: Letter }) {
  const [body, setBody] = useState<string>();
  const load = async () => setBody((await get<{ body: string }>(`/v1/queue/dead/${encodeURIComponent(letter.id)}`)).body);
  return (
    <details class="fold" onToggle={(event) => event.currentTarget.open && void load()}>
      <summary>As it lies in the queue</summary>
      <pre tabIndex={0}>{body ?? "…"}</pre>
    </details>
  );
}
