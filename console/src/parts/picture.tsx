/** An image of the API. */

import { useEffect, useState } from "preact/hooks";
import { ask } from "../api";

/** Fetched by us, since an `img` cannot name a tenant. */
export function Picture({ path, alt = "From the conversation" }: { path: string; alt?: string }) {
  const [url, setUrl] = useState("");
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let made = "";
    const over = new AbortController();
    ask("GET", path, undefined, { signal: over.signal })
      .then((response) => response.blob())
      .then((blob) => setUrl((made = URL.createObjectURL(blob))))
      .catch(() => over.signal.aborted || setFailed(true));
    return () => {
      over.abort();
      URL.revokeObjectURL(made);
    };
  }, [path]);
  if (failed) return <span class="hint">An image that cannot be shown.</span>;
  return url ? <a href={url} target="_blank" rel="noopener"><img src={url} alt={alt} /></a> : <span class="bone picture" />;
}
