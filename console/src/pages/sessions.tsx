/** Every session: filtered, the latest first, with what runs now. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get, may, of, send, type Me, type SessionLine, type SessionPage } from "../api";
import { count, money, plural, shortKey } from "../format";
import { Badge, Dialog, Empty, Page, Problem, Time } from "../parts/basics";
import { Skeleton } from "../parts/skeleton";
import { Chunk } from "../parts/chunk";
import { awaited, go, link } from "../route";

const PAGE = 1000;
const AT_ONCE = 10_000;
const PAUSE = 250;
const ROWS = 100;
const ROW_HEIGHT = 66;

type Shown = "all" | "running" | "waiting";

export function SessionsPage({ me, onNew }: { me: Me; onNew: () => void }) {
  const [text, setText] = useState("");
  const [shown, setShown] = useState<Shown>("all");
  const [wanted, setWanted] = useState(AT_ONCE);
  const { lines, more, error, loaded } = useSessions(me.tenant, wanted, useLate(queryOf(text, shown)));
  const found = useMemo(() => lines.filter((line) => fits(line, text.trim().toLowerCase(), shown)).sort((a, b) => b.updated_at - a.updated_at), [lines, text, shown]);
  const chunks = useMemo(() => Array.from({ length: Math.ceil(found.length / ROWS) }, (_, n) => found.slice(n * ROWS, (n + 1) * ROWS)), [found]);
  return (
    <Page title="Sessions" actions={may(me, "operator") && <button type="button" class="primary" onClick={onNew}>New chat</button>}>
      <div class="filters" role="search">
        <input type="search" data-slash placeholder="Filter by key or title" aria-label="Filter by key or title" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        <select aria-label="Which sessions" value={shown} onChange={(event) => setShown(event.currentTarget.value as Shown)}>
          <option value="all">All</option>
          <option value="running">Running</option>
          <option value="waiting">Waiting for a person</option>
        </select>
        <span class="hint" role="status">{loaded ? `${plural(found.length, "session")}${more ? " so far" : ""}` : ""}</span>
      </div>
      <Problem error={error} />
      {!loaded && !error && <Skeleton kind="rows" />}
      {loaded && found.length === 0 && <Empty>{lines.length ? "No session fits." : "There is no session yet. A message makes one."}</Empty>}
      <ul class="rows sessions">
        {chunks.map((rows, number) => (
          <li key={number} class="part">
            <Chunk estimate={rows.length * ROW_HEIGHT} shown={number === 0}>
              {() => <ul>{rows.map((line) => <Row key={line.session_id} line={line} />)}</ul>}
            </Chunk>
          </li>
        ))}
      </ul>
      {more && <button type="button" onClick={() => setWanted(wanted + 5 * PAGE)}>Load more</button>}
    </Page>
  );
}

function Row({ line }: { line: SessionLine }) {
  return (
    <li>
      <a data-row href={link("sessions", line.session_id)}>
        <span class="title">{line.title || "(no title)"}</span>
        <span class="badges">
          {line.held_until !== null && <Badge kind="running">running</Badge>}
          {line.approval && <Badge kind="waiting">asks</Badge>}
        </span>
        <span class="meta">
          <span class="key">{shortKey(line.key)}</span>
          <span>{plural(line.turns, "turn")}</span>
          <span>{money(line.usd)}</span>
          <span>{count(line.input_tokens + line.cache_read_tokens + line.output_tokens)} tokens</span>
          <Time at={line.updated_at} />
        </span>
      </a>
    </li>
  );
}

function fits(line: SessionLine, text: string, shown: Shown): boolean {
  if (shown === "running" && line.held_until === null) return false;
  if (shown === "waiting" && !line.approval) return false;
  return !text || `${line.key} ${line.title}`.toLowerCase().includes(text);
}

/** What the server is asked to look for. */
function queryOf(text: string, shown: Shown): string {
  const found = text.trim() ? `&text=${encodeURIComponent(text.trim().slice(0, 200))}` : "";
  return shown === "all" ? found : `${found}&${shown}=true`;
}

/** A value once it has stayed the same for a moment. */
function useLate(value: string): string {
  const [late, setLate] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setLate(value), PAUSE);
    return () => clearTimeout(timer);
  }, [value]);
  return late;
}

/** The sessions in pages of a thousand; looked at again every few seconds, less often where there are many. */
function useSessions(tenant: string, wanted: number, query: string) {
  const [lines, setLines] = useState<SessionLine[]>([]);
  const [more, setMore] = useState(false);
  const [loaded, setLoaded] = useState(false);
  const [error, setError] = useState<Error>();
  const size = useRef(0);
  useEffect(() => {
    let timer = 0;
    const over = new AbortController();
    const look = async () => {
      try {
        if (!document.hidden) await load(wanted, query, over.signal, (found, rest) => {
          size.current = found.length;
          setLines(found);
          setMore(rest);
          setLoaded(true);
          setError(undefined);
        }, size.current === 0);
      } catch (failed) {
        if (over.signal.aborted) return;
        setError(failed as Error);
      }
      timer = window.setTimeout(look, size.current > PAGE ? (size.current > 5 * PAGE ? 30_000 : 15_000) : 3_000);
    };
    void look();
    return () => {
      over.abort();
      clearTimeout(timer);
    };
  }, [tenant, wanted, query]);
  return { lines, more, error, loaded };
}

async function load(wanted: number, query: string, signal: AbortSignal, told: (lines: SessionLine[], more: boolean) => void, first: boolean): Promise<void> {
  const lines: SessionLine[] = [];
  let after = "";
  while (lines.length < wanted) {
    const page: SessionPage = await get(`/v1/sessions?limit=${PAGE}&after=${after}${query}`, signal);
    lines.push(...page.sessions);
    if (page.after === null || page.sessions.length + page.damaged.length === 0) return told(lines, false);
    if (page.sessions.length < PAGE / 2) {
      const next: SessionPage = await get(`/v1/sessions?limit=1&after=${page.after}${query}`, signal);
      if (next.after === null) return told(lines, false);
    }
    if (first) told([...lines], true);
    after = page.after;
  }
  told(lines, true);
}

export function NewChat({ me, onClose }: { me: Me; onClose: () => void }) {
  const [name, setName] = useState("");
  const [text, setText] = useState("");
  const [error, setError] = useState<Error>();
  if (!may(me, "operator")) return <Dialog title="New chat" onClose={onClose}><p>Your key may look, and not send.</p></Dialog>;
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const key = name.trim() || `console-${Math.random().toString(36).slice(2, 8)}`;
    try {
      await send("POST", of(key, "/messages?wait=0"), { text });
      awaited.add(key);
      onClose();
      go("sessions", key);
    } catch (failed) {
      setError(failed as Error);
    }
  };
  return (
    <Dialog title="New chat" onClose={onClose}>
      <form onSubmit={submit}>
        <label for="new-key">Session key</label>
        <input id="new-key" type="text" placeholder="ada or ada:thread; empty for a new one" value={name} maxLength={500} onInput={(event) => setName(event.currentTarget.value)} />
        <label for="new-text">Message</label>
        <textarea id="new-text" required rows={4} value={text} onInput={(event) => setText(event.currentTarget.value)} />
        <Problem error={error} />
        <div class="actions">
          <button type="button" onClick={onClose}>Cancel</button>
          <button type="submit" class="primary">Send</button>
        </div>
      </form>
    </Dialog>
  );
}
