/** A conversation as a person reads it, live while it streams, and the box to say something. */

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, may, of, type Me, type Result, type SessionLine, type Step, type Story, type Transcript } from "../api";
import { ApprovalCard } from "../parts/approval";
import { Empty, Problem } from "../parts/basics";
import { Skeleton } from "../parts/skeleton";
import { Chunk } from "../parts/chunk";
import { Composer } from "../parts/composer";
import { Live, type LiveTurn, advanced } from "../parts/live";
import { Steps } from "../parts/steps";
import { Said, Turn } from "../parts/turn";
import { link } from "../route";
import { follow, type Happening } from "../stream";

/** Turns that are shown, or not, together. */
const PAGE = 20;
/** Turns that are asked for at once on the way back. */
const OLDER = 100;
const TURN_HEIGHT = 260;
const LIVE = new Set(["asked", "text", "tool", "retry"]);

interface Sent {
  id: string;
  text: string;
  files: string[];
}

interface Props {
  session: string;
  line: SessionLine | undefined;
  me: Me;
  /** False until the first message of a new session has made it. */
  isThere: boolean;
  onArrived: () => void;
  onChange: () => void;
}

export function Conversation({ session, line, me, isThere, onArrived, onChange }: Props) {
  const { pages, newest, earlier, before, older, refresh, error, loaded } = useTurns(session, isThere);
  const [live, setLive] = useState<LiveTurn | null>(null);
  const [sent, setSent] = useState<Sent[]>([]);
  const [dead, setDead] = useState<(Sent & { why: ApiError })[]>([]);
  const [fault, setFault] = useState<Error>();
  const [connected, setConnected] = useState(true);
  const scroller = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const shown = useRef({ sent, live });
  shown.current = { sent, live };
  const changed = useRef(onChange);
  changed.current = onChange;

  useEffect(() => {
    const over = new AbortController();
    const told = (happening: Happening) => {
      onArrived();
      if (happening.name === "result") {
        const result: Result = happening.data;
        const waits = (each: Sent) => each.id !== result.message_id && !result.joined.includes(each.id);
        setSent((now) => now.filter(waits));
        setDead((now) => now.filter(waits));
        void refresh(result).then(() => setLive(null));
        changed.current();
      } else if (happening.name === "error") {
        const { message_id: id, type, message, fix } = happening.data;
        const why = new ApiError(502, type, message, fix);
        if (!id) return setFault(why);
        const { sent, live } = shown.current;
        const said = sent.find((each) => each.id === id) ?? { id, text: live?.id === id ? live!.asked : "", files: [] };
        setLive(null);
        setSent((now) => now.filter((each) => each.id !== id));
        setDead((now) => [...now.filter((each) => each.id !== id), { ...said, why }]);
      } else if (LIVE.has(happening.name)) { // what a newer server tells besides is none of ours
        setFault(undefined);
        setDead((now) => now.filter((each) => each.id !== happening.data.message_id));
        setLive((now) => advanced(now, happening));
      }
    };
    follow(of(session, "/events"), over.signal, told, setConnected).catch((failed) => setFault(failed));
    return () => over.abort();
  }, [session]);

  useLayoutEffect(() => {
    if (atEnd.current) scroller.current!.scrollTop = scroller.current!.scrollHeight;
  }, [pages, newest, live, sent, dead, line?.approval?.id]);

  const loadOlder = useCallback(async () => {
    const box = scroller.current!;
    const behind = box.scrollHeight - box.scrollTop;
    await older();
    requestAnimationFrame(() => (box.scrollTop = box.scrollHeight - behind));
  }, [older]);

  const scrolled = () => {
    const box = scroller.current!;
    atEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
    if (box.scrollTop < 600 && before !== null) void loadOlder();
  };
  const running = live !== null && !live.ended;
  return (
    <div class="conversation">
      <div class="scroller" ref={scroller} onScroll={scrolled} tabIndex={0} role="region" aria-label="Conversation">
        <Problem error={error} />
        {!loaded && !error && isThere && <Skeleton kind="turns" />}
        {loaded && isThere && !pages.length && !newest.length && !earlier.length && !live && !sent.length && <Empty>Nothing has been said yet.</Empty>}
        {before !== null && <button type="button" class="older" onClick={loadOlder}>Earlier turns</button>}
        {earlier.length > 0 && (
          <article class="turn" aria-label="Before the first turn">
            <div class="bubble agent"><Steps steps={earlier} session={session} /></div>
            <p class="hint">imported</p>
          </article>
        )}
        {pages.map((page) => (
          <Chunk key={page[0]!.result.turn} estimate={page.length * TURN_HEIGHT} shown={page === pages.at(-1)}>
            {() => page.map((story) => <Turn key={story.result.turn} story={story} session={session} />)}
          </Chunk>
        ))}
        {newest.map((story) => <Turn key={story.result.turn} story={story} session={session} />)}
        {dead.map((each) => (
          <div key={each.id}>
            {each.text && <Unanswered text={each.text} files={each.files} waits={false} />}
            <Problem error={each.why} />
            <p class="hint end"><a href={link("queue")}>To the dead letters</a></p>
          </div>
        ))}
        {live?.asked && !sent.some((each) => each.id === live.id) && <Unanswered text={live.asked} waits={false} />}
        {sent.map((each) => <Unanswered key={each.id} text={each.text} files={each.files} waits={live?.id !== each.id} />)}
        {live && <Live turn={live} />}
        {line?.approval && !running && <ApprovalCard approval={line.approval} session={session} me={me} onAnswered={onChange} />}
        <Problem error={fault} />
        {!connected && <p class="hint" role="status">The connection is lost; it is tried again.</p>}
      </div>
      <p class="hidden" role="status">{running ? "The agent works." : newest.length ? "The agent has answered." : ""}</p>
      {may(me, "operator") && (
        <Composer session={session} running={running || (line?.held_until ?? null) !== null}
          onSent={(id, text, files) => { atEnd.current = true; setFault(undefined); setSent((now) => [...now, { id, text, files }]); }} />
      )}
    </div>
  );
}

function Unanswered({ text, files = [], waits }: { text: string; files?: string[]; waits: boolean }) {
  return (
    <article class="turn" aria-label="Your message">
      <Said text={text}>{files.length > 0 && <ul class="turn-files">{files.map((name) => <li key={name}><span class="file">{name}</span></li>)}</ul>}</Said>
      {waits && <p class="hint end">in the queue</p>}
    </article>
  );
}

/** Pages of turns, the oldest first, and the turns since: those are shown one by one. */
function useTurns(session: string, isThere: boolean) {
  const [pages, setPages] = useState<Story[][]>([]);
  const [newest, setNewest] = useState<Story[]>([]);
  const [earlier, setEarlier] = useState<Step[]>([]);
  const [before, setBefore] = useState<number | null>(null);
  const [error, setError] = useState<Error>();
  const [loaded, setLoaded] = useState(false);
  const loading = useRef(false);
  const last = useRef(0);

  useEffect(() => {
    if (!isThere) return;
    get<Transcript>(of(session, `/transcript?limit=${PAGE}`)).then(
      (found) => {
        last.current = Math.max(last.current, found.turns.at(-1)?.result.turn ?? 0);
        setPages(found.turns.length ? [found.turns] : []);
        setNewest((now) => now.filter((story) => story.result.turn > last.current));
        setBefore(found.before);
        setEarlier(found.earlier);
        setLoaded(true);
      },
      setError,
    );
  }, [session, isThere]);

  const older = useCallback(async () => {
    if (loading.current || before === null) return;
    loading.current = true;
    try {
      const found = await get<Transcript>(of(session, `/transcript?limit=${OLDER}&before=${before}`));
      setPages((now) => [...parted(found.turns), ...now]);
      setBefore(found.before);
      setEarlier(found.earlier);
    } catch (failed) {
      setError(failed as Error);
    } finally {
      loading.current = false;
    }
  }, [session, before]);

  const refresh = useCallback(async (result: Result) => {
    setError(undefined);
    if (result.turn <= last.current) return;
    const bare: Story = { result, steps: [], remembered: true };
    const found = await get<Transcript>(of(session, "/transcript?limit=5")).catch(() => null);
    const story = found?.turns.find((each) => each.result.message_id === result.message_id) ?? bare;
    setNewest((now) => [...now.filter((each) => each.result.turn !== result.turn), story]);
  }, [session]);
  return { pages, newest, earlier, before, older, refresh, error, loaded };
}

function parted(turns: Story[]): Story[][] {
  return Array.from({ length: Math.ceil(turns.length / PAGE) }, (_, part) => turns.slice(part * PAGE, (part + 1) * PAGE));
}
