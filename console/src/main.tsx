/** The console: signed in or not, and then the page of the route. */

import { render } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { chooseTenant, get, send, whenSignedOut, type Me } from "./api";
import { Loading } from "./parts/basics";
import { Frame } from "./frame";
import { SignIn } from "./pages/sign_in";
import { applyTheme } from "./theme";
import "./style.css";

function Console() {
  const [me, setMe] = useState<Me | null>();
  const look = useCallback(async () => {
    setMe(await get<Me>("/v1/me").catch(() => null));
  }, []);
  useEffect(() => {
    whenSignedOut(() => setMe(null));
    void withLink().then(look);
  }, []);
  if (me === undefined) return <Loading />;
  if (me === null) return <SignIn onSignedIn={look} />;
  return <Frame me={me} onTenant={(name) => { chooseTenant(name); void look(); }} onSignOut={async () => {
    await send("POST", "/v1/sign-out");
    chooseTenant("");
    setMe(null);
  }} />;
}

/** `#sign-in=KEY`, the link that `outlive serve` prints: what is behind the `#` never leaves the browser. */
async function withLink(): Promise<void> {
  const [, key] = location.hash.match(/^#sign-in=(.+)$/) ?? [];
  if (!key) return;
  history.replaceState(null, "", "#/sessions");
  await send("POST", "/v1/sign-in", { key: decodeURIComponent(key) }).catch(() => {});
}

applyTheme();
render(<Console />, document.getElementById("app")!);
