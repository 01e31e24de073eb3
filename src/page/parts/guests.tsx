import { useState } from "preact/hooks";
import { parseConfig } from "../../config/grammar.ts";
import { formatBytes } from "../format.ts";
import { offeredImages, type OfferedImage } from "../images.ts";
import { linkTo } from "../link.ts";
import type { Session } from "../session.ts";
import { Disclosure } from "./disclosure.tsx";

/** The guests that the server has, each with a link to its machine. */
export function Guests({ session }: { session: Session }) {
  const [open, setOpen] = useState(false);
  const images = offeredImages().value;
  // One alone is the one that is there already.
  if (images.length < 2) return null;
  return (
    <Disclosure label="Guests" icon="guests" panelClass="action-panel" open={open} onToggle={setOpen}>
      {() => (
        <>
          <h2 class="panel-title">Guests</h2>
          <ul class="disks-list">
            {images.map((image) => (
              <Guest key={image.name} image={image} session={session} onChosen={() => setOpen(false)} />
            ))}
          </ul>
        </>
      )}
    </Disclosure>
  );
}

interface GuestProps {
  image: OfferedImage;
  session: Session;
  onChosen: () => void;
}

function Guest({
  image: { name, title, description, downloadBytes, diskBytes },
  session,
  onChosen,
}: GuestProps) {
  const current = session.config.value?.image === name;
  return (
    <li class="disk" data-kind="console">
      <div class="disk-head">
        <span class="disk-name">{title}</span>
        <span class="disk-figures">
          {formatBytes(downloadBytes)} to download
          {diskBytes !== undefined && `, then what it touches of ${formatBytes(diskBytes)}`}
        </span>
      </div>
      <p>{description}</p>
      <div class="disk-actions">
        {current ? (
          <span class="disks-hint">This is the guest of this page's machine.</span>
        ) : (
          // A link: it can be opened in another tab, and while a machine runs the page asks first.
          <a class="button" href={linkTo(parseConfig(`image=${name}`))} onClick={onChosen}>
            Start {title}
          </a>
        )}
      </div>
    </li>
  );
}
