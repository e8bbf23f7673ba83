/** The box to say something: text and files, and the button that stops the running turn. */

import { useEffect, useRef, useState } from "preact/hooks";
import { of, send } from "../api";
import { bytes } from "../format";
import { Problem } from "./basics";

interface Props {
  session: string;
  running: boolean;
  onSent: (messageId: string, text: string, files: string[]) => void;
}

export function Composer({ session, running, onSent }: Props) {
  const [text, setText] = useState("");
  const [files, setFiles] = useState<File[]>([]);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  const field = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);

  const submit = async (event?: Event) => {
    event?.preventDefault();
    if (!text.trim() || busy) return;
    setBusy(true);
    try {
      const attached = await Promise.all(files.map(encoded));
      const done = await send<{ message_id: string }>("POST", of(session, "/messages?wait=0"), { text, files: attached });
      onSent(done.message_id, text, files.map((file) => file.name));
      setText("");
      setFiles([]);
      setError(undefined);
    } catch (failed) {
      setError(failed as Error);
    } finally {
      setBusy(false);
      field.current?.focus();
    }
  };
  const stop = () => send("POST", of(session, "/stop")).catch(setError);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key === "." && (event.ctrlKey || event.metaKey)) void stop();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [session]);
  const typed = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) void submit(event);
    if (event.key === "Escape") field.current?.blur();
  };
  return (
    <form class="composer" onSubmit={submit}>
      <Problem error={error} />
      {files.length > 0 && (
        <ul class="files">
          {files.map((file) => (
            <li key={file.name}>
              {file.name} <span class="hint">{bytes(file.size)}</span>
              <button type="button" class="quiet" aria-label={`Leave out ${file.name}`} onClick={() => setFiles(files.filter((each) => each !== file))}>×</button>
            </li>
          ))}
        </ul>
      )}
      <div class="box">
        <button type="button" class="quiet" aria-label="Attach files" title="Attach files" onClick={() => picker.current!.click()}>
          <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true">
            <path d="M14.5 9.500 9.300 14.700a3.300 3.300 0 0 1-4.700-4.700l6.200-6.200a2.200 2.200 0 0 1 3.100 3.100l-6.100 6.100a1.100 1.100 0 0 1-1.600-1.600l5.200-5.200" fill="none" stroke="currentColor" stroke-width="1.500" stroke-linecap="round" />
          </svg>
        </button>
        <input ref={picker} type="file" multiple hidden onChange={(event) => {
          setFiles([...files, ...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }} />
        <textarea ref={field} data-slash rows={1} placeholder="Say something" aria-label="Message" value={text} onKeyDown={typed}
          onInput={(event) => setText(event.currentTarget.value)} />
        {running && <button type="button" class="danger" onClick={stop} title="Ctrl+.">Stop</button>}
        <button type="submit" class="primary" disabled={busy || !text.trim()}>Send</button>
      </div>
    </form>
  );
}

async function encoded(file: File): Promise<{ name: string; mime: string; data: string }> {
  const url = await new Promise<string>((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
  return { name: file.name, mime: file.type || "application/octet-stream", data: url.slice(url.indexOf(",") + 1) };
}
