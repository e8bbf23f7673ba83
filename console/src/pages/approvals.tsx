/** Everything that waits for a person. */

import type { Me, OpenQuestion } from "../api";
import { useAsked } from "../ask";
import { shortKey } from "../format";
import { Empty, Page, Problem } from "../parts/basics";
import { Skeleton } from "../parts/skeleton";
import { ApprovalCard } from "../parts/approval";
import { link } from "../route";

export function ApprovalsPage({ me, onAnswered }: { me: Me; onAnswered: () => void }) {
  const { data, error, again } = useAsked<{ approvals: OpenQuestion[] }>("/v1/approvals", 3_000);
  return (
    <Page title="Approvals">
      <Problem error={error} />
      {!data && !error && <Skeleton kind="cards" />}
      {data?.approvals.length === 0 && <Empty>Nothing waits for a person.</Empty>}
      <ul class="cards">
        {data?.approvals.map((open) => (
          <li key={open.approval.id}>
            <h2><a data-row href={link("sessions", open.session_id)}>{shortKey(open.key)}</a></h2>
            <ApprovalCard approval={open.approval} session={open.session_id} me={me} onAnswered={() => { again(); onAnswered(); }} />
          </li>
        ))}
      </ul>
    </Page>
  );
}
