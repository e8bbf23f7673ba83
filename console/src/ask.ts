/** Data of a page: asked for when it is shown, again every so often while somebody looks, and after every change. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { get } from "./api";

export interface Asked<T> {
  data: T | undefined;
  error: Error | undefined;
  again: () => void;
}

export function useAsked<T>(path: string | null, every = 0): Asked<T> {
  const [data, setData] = useState<T>();
  const [error, setError] = useState<Error>();
  const [round, setRound] = useState(0);
  const shown = useRef(path);
  if (shown.current !== path) {
    shown.current = path;
    setData(undefined);
  }
  useEffect(() => {
    if (path === null) return;
    const over = new AbortController();
    get<T>(path, over.signal).then(
      (found) => {
        setData(found);
        setError(undefined);
      },
      (failed) => over.signal.aborted || setError(failed),
    );
    return () => over.abort();
  }, [path, round]);
  useEffect(() => {
    if (!every) return;
    const timer = setInterval(() => document.hidden || setRound((now) => now + 1), every);
    return () => clearInterval(timer);
  }, [every]);
  return { data, error, again: useCallback(() => setRound((now) => now + 1), []) };
}
