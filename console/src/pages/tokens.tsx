/** API keys: handed out, looked at, taken back. */

import { useState } from "preact/hooks";
import { may, send, type Me, type Role, type Token } from "../api";
import { useAsked } from "../ask";
import { exact } from "../format";
import { Act, Badge, Confirm, Copied, Empty, Page, Problem, Time } from "../parts/basics";
import { Skeleton } from "../parts/skeleton";

const ROLES: [Role, string][] = [["viewer", "viewer: looks"], ["operator", "operator: sends, answers, rewinds"], ["admin", "admin: everything"]];
const DAY = 86400;

export function TokensPage({ me }: { me: Me }) {
  const { data, error, again } = useAsked<{ tokens: Token[] }>(may(me, "admin") ? "/v1/tokens" : null);
  const [revoked, setRevoked] = useState<Token | null>(null);
  if (!may(me, "admin")) return <Page title="API keys"><Empty>An admin's key is needed to see the keys.</Empty></Page>;
  return (
    <Page title="API keys">
      <Problem error={error} />
      {!data && !error && <Skeleton kind="cards" />}
      {data?.tokens.length === 0 && <Empty>No key was handed out yet.</Empty>}
      <ul class="cards">
        {data?.tokens.map((token) => (
          <li key={token.id} class="letter">
            <div>
              <h2>{token.name} <Badge kind="muted">{token.role}</Badge></h2>
              <p class="meta">
                <span>{token.tenant ? `tenant ${token.tenant}` : "all tenants"}</span><span class="key">{token.id}</span>
                <span>made <Time at={token.created_at} /> by {token.created_by}</span>
                <span>{token.expires_at === null ? "never ends" : `ends ${exact(token.expires_at)}`}</span>
              </p>
            </div>
            <div class="actions"><button type="button" class="danger" aria-label={`Revoke: ${token.name}`} onClick={() => setRevoked(token)}>Revoke</button></div>
          </li>
        ))}
      </ul>
      <NewToken me={me} onDone={again} />
      {revoked && (
        <Confirm title={`Revoke the key “${revoked.name}”?`} does="Revoke" onClose={() => setRevoked(null)}
          act={async () => { await send("DELETE", `/v1/tokens/${encodeURIComponent(revoked.id)}`); again(); }}>
          <p>It counts no more from this moment on, nor do sign-ins that were made with it.</p>
        </Confirm>
      )}
    </Page>
  );
}

function NewToken({ me, onDone }: { me: Me; onDone: () => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("operator");
  const [days, setDays] = useState("");
  const [everyone, setEveryone] = useState(false);
  const [made, setMade] = useState("");
  const act = async () => {
    const body = { name: name.trim(), role, everyone, seconds: days ? Number(days) * DAY : null };
    setMade((await send<{ key: string }>("POST", "/v1/tokens", body)).key);
    setName("");
    onDone();
  };
  return (
    <form class="add" onSubmit={(event) => event.preventDefault()}>
      <h2>Hand one out</h2>
      <label for="token-name">Whose it is, or what for</label>
      <input id="token-name" type="text" value={name} maxLength={128} onInput={(event) => setName(event.currentTarget.value)} />
      <label for="token-role">Role</label>
      <select id="token-role" value={role} onChange={(event) => setRole(event.currentTarget.value as Role)}>
        {ROLES.map(([value, shown]) => <option key={value} value={value}>{shown}</option>)}
      </select>
      <label for="token-days">Days that it counts</label>
      <input id="token-days" type="number" min={1} max={10_000} placeholder="empty: for ever" value={days} onInput={(event) => setDays(event.currentTarget.value)} />
      {me.everyone && <label class="check"><input type="checkbox" checked={everyone} onChange={(event) => setEveryone(event.currentTarget.checked)} /> For all tenants, not for {me.tenant} alone</label>}
      <div class="actions"><Act kind="primary" disabled={!name.trim()} act={act}>Make the key</Act></div>
      {made && <Copied label="The new key" text={made} hint="It is shown this once: only a digest of it is stored." />}
    </form>
  );
}
