import type { DecodedLayer } from "../../../inspect/decode/buffer.ts";

/** A buffer as what it is: its structures with their fields. */
export function BufferMeaning({ layers }: { layers: readonly DecodedLayer[] }) {
  return (
    <div class="meaning">
      {layers.map(({ title, fields }, at) => (
        <section key={at} class="meaning-layer" aria-label={title}>
          <h4>
            {title} <span class="meaning-section">{fields[0]?.section}</span>
          </h4>
          <dl>
            {fields.map(({ name, offset, length, value, meaning }, index) => (
              <div key={index} title={`${length} bytes from 0x${offset.toString(16)}`}>
                <dt>{name}</dt>
                <dd>
                  {value} {meaning !== undefined && <span class="meaning-words">{meaning}</span>}
                </dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </div>
  );
}
