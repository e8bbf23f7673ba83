/** How the last turn went: every step of the pipeline on one line of time. */

import { ApiError, of, type Trace, type TraceStep } from "../api";
import { useAsked } from "../ask";
import { seconds } from "../format";
import { Empty, Numbers, Problem, Time } from "../parts/basics";
import { Skeleton } from "../parts/skeleton";

const MEANING: Record<string, string> = {
  lease: "the session is taken, fenced",
  hydrate: "the tree is brought to the newest version: hot tier, then object store",
  memory: "shared memory is laid in, or taken out",
  files: "files that came with the message",
  state: "what is known goes before the message",
  agent: "the agent works",
  debug: "the debug log is kept",
  commit: "one pack, one conditional write",
  deliver: "the reply goes out",
  release: "the lease is given back",
};

export function TracePage({ session }: { session: string }) {
  const { data, error } = useAsked<Trace>(of(session, "/trace"), 5_000);
  if (error instanceof ApiError && error.status === 404 && !data) {
    return <Empty>No trace is kept for this session. Workers keep them with <code>OUTLIVE_TRACE=on</code>.</Empty>;
  }
  if (!data) return <div class="page">{error ? <Problem error={error} /> : <Skeleton kind="numbers" />}</div>;
  const end = Math.max(...data.steps.map((step) => step.began + step.seconds), 1e-6);
  const agent = data.steps.filter((step) => step.name === "agent").reduce((sum, step) => sum + step.seconds, 0);
  return (
    <div class="page">
      <Numbers of={[
        ["Turn", data.turn], ["How", data.how], ["In all", seconds(end)], ["Without the agent", seconds(end - agent)],
        ["Worker", <code>{data.worker}</code>], ["When", <Time at={data.at} />],
      ]} />
      <table class="timeline">
        <caption class="hidden">Steps of turn {data.turn}, in order</caption>
        <thead>
          <tr><th scope="col">Step</th><th scope="col" class="bar">Time</th><th scope="col" class="number">Took</th><th scope="col">Found</th></tr>
        </thead>
        <tbody>
          {data.steps.map((step, number) => <Line key={number} step={step} end={end} />)}
        </tbody>
      </table>
    </div>
  );
}

function Line({ step, end }: { step: TraceStep; end: number }) {
  return (
    <tr>
      <th scope="row" title={MEANING[step.name]}>{step.name}</th>
      <td class="bar">
        <svg viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true">
          <rect class={`step-${step.name}`} x={(1000 * step.began) / end} y="2" width={Math.max((1000 * step.seconds) / end, 3)} height="12" rx="3" />
        </svg>
      </td>
      <td class="number">{seconds(step.seconds)}</td>
      <td class="found">{step.found || MEANING[step.name]}</td>
    </tr>
  );
}
