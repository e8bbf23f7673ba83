/** What the agent did in a turn: texts as Markdown, thoughts and tool calls folded, subagents inside their calls. */

import { useState } from "preact/hooks";
import { of, type Step, type ToolCall } from "../api";
import { Markdown } from "./markdown";
import { Picture } from "./picture";

export function Steps({ steps, session }: { steps: Step[]; session: string }) {
  return (
    <>
      {steps.map((step, number) => (
        <OneStep key={number} step={step} session={session} />
      ))}
    </>
  );
}

function OneStep({ step, session }: { step: Step; session: string }) {
  switch (step.kind) {
    case "text":
      return (
        <>
          <Markdown text={step.text} />
          <LeftOut step={step} />
        </>
      );
    case "thinking":
      return (
        <details class="fold thinking">
          <summary>Thought</summary>
          <Markdown text={step.text} />
        </details>
      );
    case "summary":
      return (
        <details class="fold">
          <summary>Earlier turns were compacted into a summary</summary>
          <Markdown text={step.text} />
        </details>
      );
    case "said":
      return (
        <div class="said">
          {step.text && <Markdown text={step.text} />}
          <Images ids={step.images} session={session} />
        </div>
      );
    case "tool":
      return <Tool step={step} call={step.call!} session={session} />;
  }
}

function Tool({ step, call, session }: { step: Step; call: ToolCall; session: string }) {
  const [open, setOpen] = useState(false);
  const given = readable(call.input);
  return (
    <details class={`fold tool ${call.status}`} open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class="tool-name">{call.name}</span> <span class="telling">{telling(call)}</span>
        <span class="tool-status">{{ open: "no result", done: "done", failed: "failed" }[call.status]}</span>
      </summary>
      {open && (
        <>
          <Block title="Input" text={given} />
          {call.steps.length > 0 && (
            <div class="nested" role="group" aria-label="Subagent">
              <Steps steps={call.steps} session={session} />
            </div>
          )}
          {call.result && <Block title="Result" text={call.result} />}
          <LeftOut step={step} />
        </>
      )}
      {open && <Images ids={step.images} session={session} />}
    </details>
  );
}

function Block({ title, text }: { title: string; text: string }) {
  return (
    <>
      <h4>{title}</h4>
      <pre tabIndex={0}>{text}</pre>
    </>
  );
}

function LeftOut({ step }: { step: Step }) {
  return step.left_out ? <p class="hint">{step.left_out.toLocaleString("en")} more characters are in the transcript.</p> : null;
}

/** The argument that tells most. */
export function telling(call: { name: string; input: string }): string {
  try {
    const input = JSON.parse(call.input);
    const first = input.command ?? input.file_path ?? input.description ?? input.pattern ?? input.url ?? input.query ?? input.subject;
    const shown = first ?? Object.values(input).find((value) => typeof value === "string") ?? "";
    return String(shown).replace(/^.*\/work\//, "").split("\n")[0]!.slice(0, 120);
  } catch {
    return "";
  }
}

export function readable(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2).replaceAll("\\n", "\n");
  } catch {
    return json;
  }
}

function Images({ ids, session }: { ids: string[]; session: string }) {
  return ids.length ? <div class="images">{ids.map((id) => <Picture key={id} path={of(session, `/images/${id}`)} />)}</div> : null;
}
