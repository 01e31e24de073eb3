import { useId } from "preact/hooks";
import type { Member } from "../../worker/protocol.ts";

/** Who is here. Nothing where nobody can be. */
export function Roster({ members, self }: { members: readonly Member[]; self: string | undefined }) {
  const titleId = useId();
  if (members.length === 0) return null;
  return (
    <section class="roster" aria-labelledby={titleId}>
      <h3 class="panel-title" id={titleId}>
        {members.length === 1 ? "Nobody else is here" : `${members.length} are here`}
      </h3>
      {/* It may be longer than its box: the keyboard scrolls what it can focus. */}
      <ul class="roster-list" tabIndex={members.length > 5 ? 0 : undefined} aria-labelledby={titleId}>
        {members.map((member) => (
          <Entry key={member.id} member={member} isSelf={member.id === self} />
        ))}
      </ul>
    </section>
  );
}

function Entry({ member: { name, macs, addresses, plain }, isSelf }: { member: Member; isSelf: boolean }) {
  return (
    <li class="member">
      <span class="member-name">{name}</span>
      {isSelf && <span class="tag">this machine</span>}
      {plain && (
        <span class="tag" title="It takes plain Ethernet frames; large segments are cut up for it.">
          plain frames
        </span>
      )}
      <span class="member-addresses">
        {addresses.map((address) => (
          <code key={address}>{address}</code>
        ))}
        {macs.map((mac) => (
          <code key={mac} class="member-mac">
            {mac}
          </code>
        ))}
      </span>
    </li>
  );
}
