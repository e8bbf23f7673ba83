/** A tenant as a whole: its limits, the kill switch, its data to take along or to erase, and what was done by whom. */

import { useState } from "preact/hooks";
import { get, may, send, type AuditEntry, type Limits, type Me, type Quotas } from "../api";
import { useAsked } from "../ask";
import { exact, money, shortKey } from "../format";
import { Act, Empty, Numbers, Page, Problem, Time } from "../parts/basics";
import { Skeleton } from "../parts/skeleton";
import { EraseTenant, EraseUser } from "../parts/erase";

const KINDS: [keyof Quotas, string, number][] = [
  ["max_usd_per_turn", "US dollars a turn", 0.01], ["max_usd_per_session", "US dollars a session", 0.01],
  ["max_usd_per_day", "US dollars a day", 0.01], ["max_usd_per_month", "US dollars a month", 0.01],
  ["max_agent_turns", "Model calls a turn", 1], ["max_concurrent_turns", "Turns at one time", 1],
  ["turn_seconds", "Seconds a turn", 1],
];

export function TenantPage({ me }: { me: Me }) {
  const { data, error, again } = useAsked<Limits>("/v1/limits", 10_000);
  const [changes, setChanges] = useState(0);
  const changed = () => { again(); setChanges(changes + 1); };
  return (
    <Page title={`Tenant ${me.tenant}`}>
      <Problem error={error} />
      {!data && !error && <Skeleton kind="numbers" />}
      {data && (
        <>
          <Numbers of={[["Spent today", money(data.today_usd)], ["This month", money(data.month_usd)], ["Turns that run", data.running.length]]} />
          <p class="hint">Money and running turns are counted while a limit of the day, the month or of turns at one time is set.</p>
          <div class="sides">
            <KillSwitch limits={data} me={me} onChange={changed} />
            <LimitsForm limits={data} me={me} onChange={changed} />
          </div>
        </>
      )}
      {may(me, "admin") && <><div class="sides"><EraseUser me={me} /><EraseTenant me={me} /></div><Audit key={changes} /></>}
    </Page>
  );
}

function KillSwitch({ limits, me, onChange }: { limits: Limits; me: Me; onChange: () => void }) {
  const [reason, setReason] = useState("");
  const stopped = limits.tenant.stopped ?? limits.everyone.stopped;
  const change = (path: string, body?: object) => async () => { await send("POST", `/v1/limits/${path}`, body); setReason(""); onChange(); };
  if (stopped) {
    return (
      <section class="approval" aria-label="Kill switch">
        <p><strong>No turn runs{limits.tenant.stopped ? "" : ", for any tenant"}: {stopped.reason}</strong></p>
        <p class="meta"><span>by {stopped.by}</span><Time at={stopped.since} /></p>
        {may(me, "admin") && limits.tenant.stopped && <div class="actions"><Act kind="primary" act={change("start")}>Let turns run again</Act></div>}
      </section>
    );
  }
  if (!may(me, "admin")) return null;
  return (
    <form class="add" onSubmit={(event) => event.preventDefault()}>
      <h2>Kill switch</h2>
      <p class="hint">Running turns are interrupted and none begins until you let them. Who writes meanwhile is told the reason.</p>
      <label for="reason">Reason</label>
      <input id="reason" type="text" value={reason} maxLength={300} onInput={(event) => setReason(event.currentTarget.value)} />
      <div class="actions"><Act kind="danger" disabled={!reason.trim()} act={change("stop", { reason: reason.trim() })}>Stop all turns</Act></div>
    </form>
  );
}

function LimitsForm({ limits, me, onChange }: { limits: Limits; me: Me; onChange: () => void }) {
  const [changed, setChanged] = useState<Partial<Record<keyof Quotas, string>>>({});
  const own = limits.tenant.quotas;
  const act = async () => {
    await send("PATCH", "/v1/limits", Object.fromEntries(Object.entries(changed).map(([name, text]) => [name, text === "" ? null : Number(text)])));
    setChanged({});
    onChange();
  };
  return (
    <form class="add" onSubmit={(event) => event.preventDefault()}>
      <h2>Limits</h2>
      {KINDS.map(([name, shown, step]) => {
        const inherited = own[name] === null && limits.effective[name] !== null;
        return (
          <div key={name} class="limit">
            <label for={name}>{shown}</label>
            {may(me, "admin")
              ? <input id={name} type="number" min={step} step={step === 1 ? 1 : "any"} placeholder={inherited ? String(limits.effective[name]) : "no limit"}
                  value={changed[name] ?? own[name] ?? ""} onInput={(event) => setChanged({ ...changed, [name]: event.currentTarget.value })} />
              : <span id={name}>{limits.effective[name] ?? "no limit"}</span>}
            <span class="hint">{inherited ? `of ${limits.everyone.quotas[name] === null ? "the process" : "all tenants"}` : ""}</span>
          </div>
        );
      })}
      {may(me, "admin") && <div class="actions"><Act kind="primary" disabled={!Object.keys(changed).length} act={act}>Set the limits</Act></div>}
    </form>
  );
}

interface AuditPage {
  entries: AuditEntry[];
  before: number | null;
}

function Audit() {
  const { data, error } = useAsked<AuditPage>("/v1/audit?limit=25", 10_000);
  const [more, setMore] = useState<AuditPage[]>([]);
  const pages = data ? [data, ...more] : [];
  const before = pages.at(-1)?.before ?? null;
  const entries = pages.flatMap((page) => page.entries);
  return (
    <section class="audit">
      <h2>What was done</h2>
      <Problem error={error} />
      {data && entries.length === 0 && <Empty>Nothing was changed yet.</Empty>}
      {entries.length > 0 && (
        <div class="wide" tabIndex={0} role="region" aria-label="What was done">
          <table>
            <thead><tr><th scope="col">When</th><th scope="col">What</th><th scope="col">By</th><th scope="col">Where</th></tr></thead>
            <tbody>
              {entries.map((entry, number) => (
                <tr key={number}>
                  <td><time title={exact(entry.at)}>{exact(entry.at)}</time></td><td>{entry.what}</td><td class="key">{entry.by}</td>
                  <td class="key">{shortKey(entry.session_key) || entry.session_id || Object.values(entry.details).join(", ")}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {before !== null && <div class="actions"><Act act={async () => setMore([...more, await get<AuditPage>(`/v1/audit?limit=100&before=${before}`)])}>Older entries</Act></div>}
    </section>
  );
}
