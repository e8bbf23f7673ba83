/** One session: its head, and a page for each side of it. */

import { useEffect, useState } from "preact/hooks";
import { ApiError, may, of, send, type Me, type SessionDetail } from "../api";
import { useAsked } from "../ask";
import { bytes, exact, money, plural, shortKey } from "../format";
import { Act, Badge, Confirm, Numbers, Problem, Time } from "../parts/basics";
import { download } from "../parts/erase";
import { Skeleton } from "../parts/skeleton";
import { awaited, go, link } from "../route";
import { Conversation } from "./conversation";
import { SessionCost } from "./session_cost";
import { StatePage } from "./state";
import { TracePage } from "./trace";
import { VersionsPage } from "./versions";

const TABS: [string, string][] = [
  ["conversation", "Conversation"], ["trace", "Trace"], ["state", "State"], ["versions", "Versions"], ["cost", "Cost"], ["about", "About"],
];

export function SessionPage({ session, tab, me, onAnswered }: { session: string; tab: string; me: Me; onAnswered: () => void }) {
  const [isThere, setThere] = useState(!awaited.has(session));
  const { data, error, again } = useAsked<SessionDetail>(isThere ? of(session) : null, 5_000);
  const line = data?.line;
  const isUnknown = !data && error instanceof ApiError && error.status === 404;
  const title = line?.title || session;
  useEffect(() => {
    document.title = `${title} · outlive`;
  }, [title]);
  useEffect(() => document.querySelector(".tabs [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" }), [tab]);
  const arrived = () => {
    awaited.delete(session);
    setThere(true);
  };
  return (
    <section class={`session ${tab === "conversation" ? "fixed" : ""}`}>
      <header class="session-head">
        <h1 title={title}>{title}</h1>
        <p class="meta">
          {line ? (
            <>
              <span class="key">{shortKey(line.key)}</span>
              <span>version {line.version}</span>
              <span>{plural(line.turns, "turn")}</span>
              <span>{money(line.usd)}</span>
              <Time at={line.updated_at} />
              {line.held_until !== null && <Badge kind="running">running</Badge>}
              {line.approval && <Badge kind="waiting">asks</Badge>}
            </>
          ) : <span>{isUnknown ? "There is no such session." : isThere ? "…" : "The first message is on its way."}</span>}
        </p>
        <nav class="tabs" aria-label="Of this session">
          {TABS.map(([name, shown]) => (
            <a key={name} href={link("sessions", session, name)} aria-current={tab === name ? "page" : undefined}>{shown}</a>
          ))}
        </nav>
      </header>
      <Problem error={data ? undefined : error} />
      {!isUnknown && <>
      {tab === "conversation" && <Conversation session={session} line={line} me={me} isThere={isThere} onArrived={arrived} onChange={() => { again(); onAnswered(); }} />}
      {tab === "trace" && <TracePage session={session} />}
      {tab === "state" && <StatePage session={session} />}
      {tab === "versions" && <VersionsPage session={session} me={me} onChange={again} />}
      {tab === "cost" && <SessionCost session={session} />}
      {tab === "about" && (data ? <About of={data} me={me} /> : !error && <div class="page"><Skeleton kind="numbers" /></div>)}
      </>}
    </section>
  );
}

function About({ of: detail, me }: { of: SessionDetail; me: Me }) {
  const [erasing, setErasing] = useState(false);
  const line = detail.line;
  return (
    <div class="page">
      <Numbers of={[
        ["Files", detail.files.toLocaleString("en")],
        ["In the tree", bytes(detail.tree_bytes)],
        ["Stored", bytes(detail.stored_bytes)],
        ["Packs", detail.stored_packs],
      ]} />
      <table class="facts">
        <caption class="hidden">Facts of the session</caption>
        <tbody>
          <tr><th scope="row">Id</th><td><code>{line.session_id}</code></td></tr>
          <tr><th scope="row">Agent's id</th><td><code>{detail.agent_session_id ?? "–"}</code></td></tr>
          <tr><th scope="row">Keys</th><td>{detail.keys.map((key) => <div key={key}><code>{key}</code></div>)}</td></tr>
          <tr><th scope="row">Profile</th><td>{detail.profile} <code>{detail.prompt_version}</code></td></tr>
          <tr><th scope="row">Began</th><td><Time at={line.created_at} /></td></tr>
          <tr><th scope="row">Expires</th><td>{exact(line.expires_at)}</td></tr>
          <tr><th scope="row">Region</th><td>{line.region}; last active in {line.last_active_region}</td></tr>
          <tr><th scope="row">No longer asks for</th><td>{detail.lifted_rules.join(", ") || "–"}</td></tr>
          <tr><th scope="row">Held until</th><td>{line.held_until === null ? "–" : <Time at={line.held_until} />}</td></tr>
          <tr><th scope="row">Replies on their way</th><td>
            {detail.outbox.map((each) => <div key={each.message_id}>turn {each.turn}, since <Time at={each.since} /></div>)}
            {detail.outbox.length === 0 && "–"}
          </td></tr>
          <tr><th scope="row">Undelivered replies</th><td>
            {detail.undelivered.map((each) => <div key={each.message_id}>turn {each.turn}, <Time at={each.at} />: {each.error}</div>)}
            {detail.undelivered.length === 0 && "–"}
          </td></tr>
          <tr><th scope="row">Cut-off turns</th><td>{detail.interrupted.map((each) => each.text).join(", ") || "–"}</td></tr>
        </tbody>
      </table>
      {may(me, "admin") && (
        <div class="actions">
          <Act act={() => download(of(line.session_id, "/export"))}>Export</Act>
          <button type="button" class="danger" onClick={() => setErasing(true)}>Erase</button>
        </div>
      )}
      {erasing && (
        <Confirm title="Erase this session?" does="Erase" onClose={() => setErasing(false)} act={async () => { await send("DELETE", of(line.session_id)); go("sessions"); }}>
          <p>Conversation, files and memory are removed from every store. There is no way back.</p>
        </Confirm>
      )}
    </div>
  );
}
