/** Server-sent events over fetch: an EventSource can neither name a tenant nor tell why it failed. */

import { ApiError, ask } from "./api";

export interface Happening {
  id: string;
  name: string;
  data: any;
}

const LONGEST_PAUSE = 15_000;

/** Follow `path` until the signal; a stream that breaks is resumed where it left off. Ends by itself on 4xx. */
export async function follow(
  path: string,
  signal: AbortSignal,
  told: (happening: Happening) => void,
  connected: (is: boolean) => void,
): Promise<void> {
  let last = "";
  let pause = 500;
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = { Accept: "text/event-stream" };
      if (last) headers["Last-Event-ID"] = last;
      const response = await ask("GET", path, undefined, { signal, headers });
      connected(true);
      pause = 500;
      for await (const happening of events(response)) {
        if (happening.id) last = happening.id;
        told(happening);
      }
    } catch (error) {
      if (signal.aborted) return;
      connected(false);
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
    }
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

async function* events(response: Response): AsyncGenerator<Happening> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      const happening = parsed(block);
      if (happening) yield happening;
    }
  }
}

function parsed(block: string): Happening | null {
  const fields: Record<string, string> = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
  }
  if (!fields.event || fields.data === undefined) return null;
  return { id: fields.id ?? "", name: fields.event, data: JSON.parse(fields.data) };
}
