/** What the agent knows: the state object, and how it came about, change by change. */

import { useMemo, useState } from "preact/hooks";
import { of, type StateChange } from "../api";
import { useAsked } from "../ask";
import { Empty, Problem, Time } from "../parts/basics";
import { Skeleton } from "../parts/skeleton";
import { at, folded } from "../state_history";

interface State {
  version: number;
  document: Record<string, unknown>;
}

export function StatePage({ session }: { session: string }) {
  const [version, setVersion] = useState<number | null>(null);
  const state = useAsked<State>(of(session, `/state${version === null ? "" : `?version=${version}`}`), 5_000);
  const history = useAsked<{ changes: StateChange[] }>(of(session, "/state/history?limit=1000"), 5_000);
  const changes = useMemo(() => folded(history.data?.changes ?? []).reverse(), [history.data]);
  if (!state.data) return <div class="page">{state.error ? <Problem error={state.error} /> : <Skeleton kind="columns" />}</div>;
  return (
    <div class="page state">
      <section>
        <h2>
          {version === null ? "Now" : `At version ${version}`}
          {version !== null && <button type="button" onClick={() => setVersion(null)}>Back to now</button>}
        </h2>
        <pre tabIndex={0}>{JSON.stringify(state.data.document, null, 2)}</pre>
      </section>
      <section>
        <h2>History</h2>
        <Problem error={history.error} />
        {changes.length === 0 && <Empty>Nothing has been kept in the state yet.</Empty>}
        <ol class="changes">
          {changes.map((change) => (
            <li key={change.version}>
              <h3>
                <button type="button" class="quiet" aria-pressed={version === change.version} onClick={() => setVersion(change.version)}>version {change.version}</button>
                <span class="meta"><span>by {change.by}</span><Time at={change.at} /></span>
              </h3>
              <pre class="diff" tabIndex={0}>
                {change.lines.map(({ path, before, after }) => (
                  <span key={path}>
                    {before !== undefined && <span class="minus">- {path}: {at(before)}{"\n"}</span>}
                    {after !== undefined && <span class="plus">+ {path}: {at(after)}{"\n"}</span>}
                  </span>
                ))}
              </pre>
            </li>
          ))}
        </ol>
      </section>
    </div>
  );
}
