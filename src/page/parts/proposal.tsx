import { formatConfig } from "../../config/grammar.ts";
import type { Session } from "../session.ts";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { LinkProblem } from "./link-problem.tsx";

/** A link was opened while a machine runs: the person decides. */
export function Proposal({ session }: { session: Session }) {
  const link = session.proposal.value;
  if (!link) return null;
  const stay = () => session.decide(false);
  if ("error" in link) {
    return (
      <Dialog title="This link is no machine" onCancel={stay}>
        <LinkProblem error={link.error} />
        <div class="actions">
          <Button label="Keep the running machine" onClick={stay} />
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Start the machine of this link?" onCancel={stay}>
      <p class="marked-link">
        <code>{formatConfig(link.config) || "the default machine"}</code>
      </p>
      <p>
        The machine that runs now is switched off without asking its guest. What its guest has not written to
        a disk is lost, and so are disks in memory.
      </p>
      <div class="actions">
        <Button label="Start it" tone="primary" onClick={() => session.decide(true)} />
        <Button label="Keep the running machine" onClick={stay} />
      </div>
    </Dialog>
  );
}
