/** What stands around every page: where one can go, whose things are shown, the keyboard. */

import { useEffect, useState } from "preact/hooks";
import { get, may, type Me, type OpenQuestion, type Queue } from "./api";
import { useAsked } from "./ask";
import { moveFocus, useShortcuts } from "./keys";
import { Dialog } from "./parts/basics";
import { ApprovalsPage } from "./pages/approvals";
import { QueuePage } from "./pages/queue";
import { SchedulesPage } from "./pages/schedules";
import { SessionPage } from "./pages/session";
import { NewChat, SessionsPage } from "./pages/sessions";
import { TenantPage } from "./pages/tenant";
import { TokensPage } from "./pages/tokens";
import { UsagePage } from "./pages/usage";
import { go, link, useRoute } from "./route";
import { nextTheme, theme } from "./theme";

interface Props {
  me: Me;
  onTenant: (name: string) => void;
  onSignOut: () => Promise<void>;
}

const SHORTCUTS: [string, string][] = [
  ["g s", "sessions"], ["g a", "approvals"], ["g u", "usage"], ["g q", "queue"], ["g t", "schedules"],
  ["g l", "tenant: limits, data, audit"], ["g k", "API keys"],
  ["n", "new chat"], ["/", "to the filter, or the message"], ["j, k", "next, previous in a list"],
  ["Enter", "send the message"], ["Shift+Enter", "a new line in it"], ["Ctrl+.", "stop the running turn"], ["?", "this help"],
];

export function Frame({ me, onTenant, onSignOut }: Props) {
  const route = useRoute();
  const [dialog, setDialog] = useState<"help" | "new" | null>(null);
  const [look, setLook] = useState(theme());
  const approvals = useAsked<{ approvals: OpenQuestion[] }>(`/v1/approvals?${me.tenant}`, 10_000);
  const queue = useAsked<Queue>(`/v1/queue?${me.tenant}`, 10_000);
  const page = route[0] ?? "sessions";
  useEffect(() => document.querySelector(".top [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" }), [page]);
  useEffect(() => {
    // what had the focus went with its page: the next Tab begins at the new one, not at the top
    if (document.activeElement === document.body) document.getElementById("main")?.focus({ preventScroll: true });
  }, [route]);
  useShortcuts({
    "g s": () => go("sessions"), "g a": () => go("approvals"), "g u": () => go("usage"),
    "g q": () => go("queue"), "g t": () => go("schedules"), "g l": () => go("tenant"), "g k": () => go("keys"),
    n: () => setDialog("new"), "?": () => setDialog("help"),
    j: () => moveFocus("[data-row]", 1), k: () => moveFocus("[data-row]", -1),
    "/": () => document.querySelector<HTMLElement>("[data-slash]")?.focus(),
  });
  const links: [string, string, number][] = [
    ["sessions", "Sessions", 0],
    ["approvals", "Approvals", approvals.data?.approvals.length ?? 0],
    ["usage", "Usage", 0],
    ["queue", "Queue", queue.data?.dead ?? 0],
    ["schedules", "Schedules", 0],
    ["tenant", "Tenant", 0],
    ...(may(me, "admin") ? [["keys", "Keys", 0] as [string, string, number]] : []),
  ];
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>To the page</a>
      <header class="top">
        <a class="brand" href={link("sessions")}><img src="/console/icon.svg" alt="" /> outlive</a>
        <nav aria-label="Pages">
          {links.map(([name, title, waiting]) => (
            <a key={name} href={link(name)} aria-current={page === name ? "page" : undefined}>
              {title}{waiting > 0 && <span class="count" title={`${waiting} open`}>{waiting}</span>}
            </a>
          ))}
        </nav>
        <div class="tools">
          {me.everyone && <Tenant me={me} onTenant={onTenant} />}
          <button type="button" class="quiet" onClick={() => setLook(nextTheme())} aria-label={`Colours: ${look}`} title={`Colours: ${look}`}>
            {{ system: "◐", light: "☀", dark: "☾" }[look]}
          </button>
          <button type="button" class="quiet" onClick={() => setDialog("help")} aria-label="Keyboard" title="Keyboard">?</button>
          <button type="button" class="quiet" onClick={onSignOut} title={`${me.name}, ${me.role}`}>Sign out</button>
        </div>
      </header>
      <main id="main" tabIndex={-1} key={me.tenant}>
        <Shown route={route} me={me} onNew={() => setDialog("new")} onAnswered={approvals.again} onQueue={queue.again} />
      </main>
      {dialog === "new" && <NewChat me={me} onClose={() => setDialog(null)} />}
      {dialog === "help" && (
        <Dialog title="Keyboard" onClose={() => setDialog(null)}>
          <dl class="shortcuts">
            {SHORTCUTS.map(([keys, does]) => <div key={keys}><dt><kbd>{keys}</kbd></dt><dd>{does}</dd></div>)}
          </dl>
          <div class="actions"><button type="button" onClick={() => setDialog(null)}>Close</button></div>
        </Dialog>
      )}
    </div>
  );
}

function Shown({ route, me, onNew, onAnswered, onQueue }: {
  route: string[];
  me: Me;
  onNew: () => void;
  onAnswered: () => void;
  onQueue: () => void;
}) {
  const [page, session, tab] = route;
  if (page === "sessions" && session) return <SessionPage key={session} session={session} tab={tab ?? "conversation"} me={me} onAnswered={onAnswered} />;
  if (page === "approvals") return <ApprovalsPage me={me} onAnswered={onAnswered} />;
  if (page === "usage") return <UsagePage />;
  if (page === "queue") return <QueuePage me={me} onChange={onQueue} />;
  if (page === "tenant") return <TenantPage me={me} />;
  if (page === "keys") return <TokensPage me={me} />;
  if (page === "schedules") return <SchedulesPage me={me} />;
  return <SessionsPage me={me} onNew={onNew} />;
}

function Tenant({ me, onTenant }: { me: Me; onTenant: (name: string) => void }) {
  const [names, setNames] = useState<string[]>([me.tenant]);
  const load = async () => {
    const found = new Set([me.tenant]);
    for (let after: string | null = ""; after !== null;) {
      const page: { tenants: string[]; after: string | null } = await get(`/v1/tenants?limit=1000&after=${after}`);
      page.tenants.forEach((name) => found.add(name));
      after = page.after;
    }
    setNames([...found]);
  };
  return (
    <select aria-label="Tenant" value={me.tenant} onFocus={load} onChange={(event) => onTenant(event.currentTarget.value)}>
      {names.map((name) => <option key={name}>{name}</option>)}
    </select>
  );
}
