/** Messages that come by themselves. */

import { useState } from "preact/hooks";
import { may, send, type Me, type Schedule } from "../api";
import { useAsked } from "../ask";
import { exact, plural, shortKey } from "../format";
import { Act, Empty, Page, Problem } from "../parts/basics";
import { Skeleton } from "../parts/skeleton";
import { link } from "../route";

export function SchedulesPage({ me }: { me: Me }) {
  const { data, error, again } = useAsked<{ schedules: Schedule[] }>("/v1/schedules", 10_000);
  return (
    <Page title="Schedules">
      <Problem error={error} />
      {!data && !error && <Skeleton kind="cards" />}
      {data?.schedules.length === 0 && <Empty>Nothing is scheduled.</Empty>}
      <ul class="cards">
        {data?.schedules.map((each) => (
          <li key={each.id} class="letter">
            <div>
              <h2><a data-row href={link("sessions", each.session_key)}>{shortKey(each.session_key)}</a></h2>
              <p>{each.text}</p>
              <p class="meta"><span>{when(each)}</span><span>next at {exact(each.next_at)}</span><span>fired {plural(each.fired, "time")}</span></p>
            </div>
            {may(me, "operator") && (
              <div class="actions">
                <Act kind="danger" label={`Remove: ${each.text}`} act={async () => { await send("DELETE", `/v1/schedules/${encodeURIComponent(each.id)}`); again(); }}>Remove</Act>
              </div>
            )}
          </li>
        ))}
      </ul>
      {may(me, "operator") && <Add onDone={again} />}
    </Page>
  );
}

function when(each: Schedule): string {
  if (each.cron) return `${each.cron} (${each.zone})`;
  return each.every ? `every ${each.every.toLocaleString("en")} s` : "once";
}

function Add({ onDone }: { onDone: () => void }) {
  const [session, setSession] = useState("");
  const [text, setText] = useState("");
  const [cron, setCron] = useState("0 9 * * *");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const act = async () => {
    await send("POST", "/v1/schedules", { session, text, cron, zone });
    setText("");
    onDone();
  };
  return (
    <form class="add" onSubmit={(event) => event.preventDefault()}>
      <h2>Add one</h2>
      <label for="to">Session key</label>
      <input id="to" type="text" value={session} onInput={(event) => setSession(event.currentTarget.value)} />
      <label for="what">Message</label>
      <input id="what" type="text" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      <label for="cron">When, as cron ({zone})</label>
      <input id="cron" type="text" value={cron} onInput={(event) => setCron(event.currentTarget.value)} />
      <div class="actions"><Act kind="primary" disabled={!session.trim() || !text.trim() || !cron.trim()} act={act}>Add</Act></div>
    </form>
  );
}
