/** A key is shown once; a cookie that no page can read stands for it from then on. */

import { useEffect, useRef, useState } from "preact/hooks";
import { send } from "../api";
import { Problem } from "../parts/basics";

export function SignIn({ onSignedIn }: { onSignedIn: () => Promise<void> }) {
  const [key, setKey] = useState("");
  const [error, setError] = useState<Error>();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = "Sign in · outlive";
    field.current!.focus();
  }, []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    try {
      await send("POST", "/v1/sign-in", { key: key.trim() });
      await onSignedIn();
    } catch (failed) {
      setError(failed as Error);
    }
  };
  return (
    <main class="sign-in">
      <form onSubmit={submit}>
        <h1><img src="/console/icon.svg" alt="" /> outlive</h1>
        <label for="key">API key</label>
        <input id="key" ref={field} type="password" autocomplete="current-password" required value={key}
          onInput={(event) => setKey(event.currentTarget.value)} />
        <Problem error={error} />
        <button class="primary" type="submit">Sign in</button>
        <p class="hint">
          <code>outlive tokens create NAME --role operator</code> makes a key. Where there is none yet, <code>outlive serve</code> prints one.
        </p>
      </form>
    </main>
  );
}
