/** Data to take along, or to erase for good: of a session, a user, a tenant. */

import { useState } from "preact/hooks";
import { ask, send, type Erased, type Me } from "../api";
import { plural } from "../format";
import { Act, Confirm } from "./basics";

/** Through the API, so that what goes wrong is shown here and not in a file. */
export async function download(path: string): Promise<void> {
  const response = await ask("GET", path);
  const told = response.headers.get("content-disposition") ?? "";
  const encoded = told.match(/filename\*=UTF-8''([^;]+)/)?.[1];
  const name = encoded ? decodeURIComponent(encoded) : (told.match(/filename="([^"]+)"/)?.[1] ?? "export.tar.zst");
  const url = URL.createObjectURL(await response.blob());
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export function Receipt({ of: erased }: { of: Erased }) {
  return (
    <div role="status" class={erased.complete ? "receipt" : "problem"}>
      <strong>{plural(erased.erased.length, "session")} erased{erased.complete ? ", nothing is left." : ", and something is left."}</strong>{" "}
      {erased.held.length > 0 && `In ${plural(erased.held.length, "session")} a turn runs: ${erased.held.join(", ")}. `}
      {erased.not_covered.join(" ")}
    </div>
  );
}

export function EraseUser({ me }: { me: Me }) {
  const [user, setUser] = useState("");
  const [asked, setAsked] = useState(false);
  const [erased, setErased] = useState<Erased | null>(null);
  const path = `/v1/users/${encodeURIComponent(user.trim())}`;
  return (
    <form class="add" onSubmit={(event) => event.preventDefault()}>
      <h2>Data of a user</h2>
      <p class="hint">Every session of one chat id in {me.tenant}, on every channel.</p>
      <label for="user">Chat id</label>
      <input id="user" type="text" value={user} maxLength={128} onInput={(event) => setUser(event.currentTarget.value)} />
      <div class="actions">
        <Act disabled={!user.trim()} act={() => download(`${path}/export`)}>Export the user</Act>
        <button type="button" class="danger" disabled={!user.trim()} onClick={() => setAsked(true)}>Erase the user</button>
      </div>
      {erased && <Receipt of={erased} />}
      {asked && (
        <Confirm title={`Erase everything of ${user.trim()}?`} does="Erase" onClose={() => setAsked(false)} act={async () => setErased(await send<Erased>("DELETE", path))}>
          <p>Conversations, files, memory and preferences are removed from every store. There is no way back.</p>
        </Confirm>
      )}
    </form>
  );
}

export function EraseTenant({ me }: { me: Me }) {
  const [name, setName] = useState("");
  const [erased, setErased] = useState<Erased | null>(null);
  return (
    <form class="add" onSubmit={(event) => event.preventDefault()}>
      <h2>Data of the tenant</h2>
      <div class="actions"><Act act={() => download("/v1/tenant/export")}>Export the tenant</Act></div>
      <label for="confirm">To erase all of it, write its name: {me.tenant}</label>
      <input id="confirm" type="text" value={name} autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} />
      <div class="actions">
        <Act kind="danger" disabled={name !== me.tenant} act={async () => { setErased(await send<Erased>("DELETE", `/v1/tenant?confirm=${encodeURIComponent(name)}`)); setName(""); }}>Erase the tenant</Act>
      </div>
      {erased && <Receipt of={erased} />}
    </form>
  );
}
