/** The console: signed in or not, and then the page of the route. */

import { render } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { ApiError, chooseTenant, get, send, whenSignedOut, type Me } from "./api";
import { Frame } from "./frame";
import { SignIn } from "./pages/sign_in";
import { Skeleton } from "./parts/skeleton";
import { forgetSignIn, maybeSignedIn } from "./signed_in";
import { applyTheme } from "./theme";
import "./style.css";

function Console() {
  const [me, setMe] = useState<Me | null | undefined>(maybeSignedIn() || keyOfLink() ? undefined : null);
  const look = useCallback(async () => {
    setMe(maybeSignedIn() ? await whoIsHere() : null);
  }, []);
  useEffect(() => {
    whenSignedOut(() => {
      forgetSignIn();
      setMe(null);
    });
    void withLink().then(look);
  }, []);
  if (me === undefined) return <main class="page"><Skeleton kind="rows" /></main>;
  if (me === null) return <SignIn onSignedIn={look} />;
  return <Frame me={me} onTenant={(name) => { chooseTenant(name); void look(); }} onSignOut={async () => {
    await send("POST", "/v1/sign-out");
    chooseTenant("");
    setMe(null);
  }} />;
}

async function whoIsHere(): Promise<Me | null> {
  try {
    return await get<Me>("/v1/me");
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) forgetSignIn();
    return null;
  }
}

/** `#sign-in=KEY`, the link that `outlive serve` prints: what is behind the `#` never leaves the browser. */
function keyOfLink(): string | undefined {
  return location.hash.match(/^#sign-in=(.+)$/)?.[1];
}

async function withLink(): Promise<void> {
  const key = keyOfLink();
  if (!key) return;
  history.replaceState(null, "", "#/sessions");
  await send("POST", "/v1/sign-in", { key: decodeURIComponent(key) }).catch(() => {});
}

applyTheme();
render(<Console />, document.getElementById("app")!);
