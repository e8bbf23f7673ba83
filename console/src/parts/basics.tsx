/** Small parts that every page uses. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../api";
import { ago, exact, iso } from "../format";

export function Time({ at }: { at: number }) {
  return <time dateTime={iso(at)} title={exact(at)}>{ago(at)}</time>;
}

export function Problem({ error }: { error: Error | undefined }) {
  if (!error) return null;
  const fix = error instanceof ApiError ? error.fix : null;
  return (
    <div class="problem" role="alert">
      <strong>{error.message}</strong> {fix}
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function Badge({ kind, children }: { kind: string; children: ComponentChildren }) {
  return <span class={`badge ${kind}`}>{children}</span>;
}

export function Page({ title, actions, children }: { title: string; actions?: ComponentChildren; children: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · outlive`;
  }, [title]);
  return (
    <section class="page">
      <header class="page-head">
        <h1>{title}</h1>
        <div class="actions">{actions}</div>
      </header>
      {children}
    </section>
  );
}

export function Numbers({ of }: { of: [string, ComponentChildren][] }) {
  return (
    <dl class="numbers">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A button whose work takes a while; what goes wrong is shown beside it. */
export function Act({ act, children, kind = "", disabled = false, label }: {
  act: () => Promise<unknown>;
  children: ComponentChildren;
  kind?: string;
  disabled?: boolean;
  label?: string;
}) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  const pressed = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await act();
    } catch (failed) {
      setError(failed as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button type="button" class={kind} disabled={disabled || busy} onClick={pressed} aria-label={label}>
        {children}
      </button>
      <Problem error={error} />
    </>
  );
}

/** Something that is shown once, to be taken along. */
export function Copied({ label, text, hint }: { label: string; text: string; hint: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div class="copied" role="status">
      <strong>{label}</strong>
      <code>{text}</code>
      <div class="actions"><button type="button" onClick={copy}>{copied ? "Copied" : "Copy"}</button><span class="hint">{hint}</span></div>
    </div>
  );
}

/** A dialog of the browser's own: it keeps the focus in, Escape closes it, and the focus goes back to where it was. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current!.showModal();
    return () => {
      const back = before instanceof HTMLElement && before.isConnected && before !== document.body ? before : document.getElementById("main");
      back?.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog ref={box} aria-labelledby="dialog-title" onClose={onClose} onClick={(event) => event.target === box.current && onClose()}>
      <div class="dialog">
        <h2 id="dialog-title">{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

export function Confirm({ title, does, act, onClose, children }: {
  title: string;
  does: string;
  act: () => Promise<unknown>;
  onClose: () => void;
  children: ComponentChildren;
}) {
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <div class="actions">
        <button type="button" onClick={onClose}>Cancel</button>
        <Act kind="danger" act={async () => { await act(); onClose(); }}>{does}</Act>
      </div>
    </Dialog>
  );
}
