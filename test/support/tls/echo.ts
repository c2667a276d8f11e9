// A question to an endpoint that echoes, behind the product: what comes back says whether it was let through.
import type { Product } from "../product.ts";
import type { Peer, PeerServer, PeerTlsServer } from "./peer.ts";

/** An endpoint with TLS that echoes. */
export async function echoing(peer: Peer, tls: PeerTlsServer): Promise<PeerServer> {
  const endpoint = await peer.listen({ tls });
  await endpoint.echoAll();
  return endpoint;
}

/** What comes back for `text` through the server for `dst`: `text` itself, or nothing. */
export async function askFor(
  text: string,
  peer: Peer,
  product: Product,
  dst?: string,
): Promise<string> {
  const stream = await peer.connect(product.port(dst));
  // It may have been reset already.
  await stream.sendText(text).catch(() => {});
  const { text: answer } = await stream.receive(text.length);
  await stream.close();
  return answer;
}
