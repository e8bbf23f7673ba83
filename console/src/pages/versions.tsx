/** The versions of a session: what changed in each, and the ways back. */

import { useState } from "preact/hooks";
import { get, may, of, send, type FileChange, type Me, type VersionLine } from "../api";
import { useAsked } from "../ask";
import { bytes, plural } from "../format";
import { Act, Badge, Confirm, Dialog, Empty, Problem, Time } from "../parts/basics";
import { Skeleton } from "../parts/skeleton";
import { Diff } from "../parts/diff";
import { go } from "../route";

interface Page {
  versions: VersionLine[];
  before: number | null;
  end: string;
  damaged: string[];
}

export function VersionsPage({ session, me, onChange }: { session: string; me: Me; onChange: () => void }) {
  const { data, error, again } = useAsked<Page>(of(session, "/versions?limit=50"));
  const [more, setMore] = useState<Page[]>([]);
  const [rewind, setRewind] = useState<VersionLine | null>(null);
  const [fork, setFork] = useState<VersionLine | null>(null);
  if (!data) return <div class="page">{error ? <Problem error={error} /> : <Skeleton kind="rows" />}</div>;
  const all = [data, ...more];
  const last = all[all.length - 1]!;
  const versions = all.flatMap((page) => page.versions);
  const newest = versions[0]?.version;
  return (
    <div class="page">
      {last.damaged.map((what) => <p key={what} class="problem">{what}</p>)}
      {versions.length === 0 && <Empty>There is no version yet.</Empty>}
      <ol class="rows versions">
        {versions.map((line) => (
          <li key={line.version}>
            <div class="version-head">
              <span class="title">{line.version}</span>
              <span class="what">
                {line.kind !== "commit" && <Badge kind="muted">{line.kind}</Badge>} {line.message}
                <span class="meta">
                  <Time at={line.at} />
                  {line.files_changed !== null && <span>{plural(line.files_changed, "file")} changed</span>}
                  {line.bytes_stored !== null && <span>{bytes(line.bytes_stored)} stored</span>}
                </span>
              </span>
              {may(me, "operator") && (
                <span class="actions">
                  {line.version !== newest && <button type="button" onClick={() => setRewind(line)}>Rewind to {line.version}</button>}
                  <button type="button" onClick={() => setFork(line)}>Fork</button>
                </span>
              )}
            </div>
            <Changes session={session} version={line.version} />
          </li>
        ))}
      </ol>
      {last.before !== null && <Act act={async () => setMore([...more, await get<Page>(of(session, `/versions?limit=50&before=${last.before}`))])}>Older versions</Act>}
      {last.end === "retention" && <p class="hint">Older versions are not kept.</p>}
      {rewind && <Rewind session={session} to={rewind} onClose={() => setRewind(null)} onDone={() => { setMore([]); again(); onChange(); }} />}
      {fork && <Fork session={session} of={fork} onClose={() => setFork(null)} />}
    </div>
  );
}

function Changes({ session, version }: { session: string; version: number }) {
  const [open, setOpen] = useState(false);
  const { data, error } = useAsked<{ changes: FileChange[] }>(open ? of(session, `/diff?older=${version - 1}&newer=${version}&text=true`) : null);
  return (
    <details class="fold" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>What changed in version {version}</summary>
      <Problem error={error} />
      {open && !data && !error && <Skeleton kind="rows" />}
      {data?.changes.length === 0 && <p class="hint">Nothing.</p>}
      <ul class="paths">
        {data?.changes.map((change) => (
          <li key={change.path}>
            <Badge kind={change.change}>{change.change}</Badge> <code>{change.path}</code>
            <span class="hint"> {change.before !== null && bytes(change.before)} {change.after !== null && `→ ${bytes(change.after)}`}</span>
            {change.text && <Diff text={change.text} />}
          </li>
        ))}
      </ul>
    </details>
  );
}

function Rewind({ session, to, onClose, onDone }: { session: string; to: VersionLine; onClose: () => void; onDone: () => void }) {
  const [filesOnly, setFilesOnly] = useState(false);
  const act = async () => {
    await send("POST", of(session, "/rewind"), { version: to.version, files_only: filesOnly });
    onDone();
  };
  return (
    <Confirm title={`Rewind to version ${to.version}?`} does="Rewind" act={act} onClose={onClose}>
      <p>Files and memory of the agent become those of version {to.version}, as a new version: another rewind undoes it.</p>
      <label class="check"><input type="checkbox" checked={filesOnly} onChange={(event) => setFilesOnly(event.currentTarget.checked)} /> Only the files; the conversation stays</label>
    </Confirm>
  );
}

function Fork({ session, of: line, onClose }: { session: string; of: VersionLine; onClose: () => void }) {
  const [key, setKey] = useState("");
  const act = async () => {
    const done = await send<{ session_id: string }>("POST", of(session, "/fork"), { version: line.version, key: key.trim() || null });
    onClose();
    go("sessions", done.session_id);
  };
  return (
    <Dialog title={`Fork version ${line.version}`} onClose={onClose}>
      <p>A new session begins as this one was at version {line.version}.</p>
      <label for="fork-key">Its session key</label>
      <input id="fork-key" type="text" placeholder="empty: a thread of its own" value={key} maxLength={500} onInput={(event) => setKey(event.currentTarget.value)} />
      <div class="actions">
        <button type="button" onClick={onClose}>Cancel</button>
        <Act kind="primary" act={act}>Fork</Act>
      </div>
    </Dialog>
  );
}
