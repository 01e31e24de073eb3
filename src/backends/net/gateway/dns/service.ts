import { get16, set16 } from "../../../../net/bytes.ts";
import { dnsResponse, parseQuery, responseSize } from "../../../../net/dns.ts";
import type { Input } from "../input.ts";
import type { Names } from "./names.ts";

/** The answer to a query over UDP; undefined: it is none. */
export function answerDatagram(names: Names, payload: Uint8Array): Uint8Array | undefined {
  const query = parseQuery(payload);
  return query && dnsResponse(query, names.answer(query), responseSize(query));
}

/** Queries over TCP, each after its length (RFC 1035, 4.2.2), until the client ends or says what is none. */
export async function answerStream(
  names: Names,
  input: Input,
  write: (bytes: readonly Uint8Array[]) => Promise<void> | undefined,
): Promise<void> {
  for (;;) {
    const length = await input.exactly(2);
    const bytes = length && (await input.exactly(get16(length, 0)));
    const query = bytes && parseQuery(bytes);
    if (!query) return;
    const response = dnsResponse(query, names.answer(query), 65535);
    const framed = new Uint8Array(2 + response.length);
    set16(framed, 0, response.length);
    framed.set(response, 2);
    await write([framed]);
  }
}
