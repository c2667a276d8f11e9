// A running product whose configuration file changes.
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ReloadAnswer } from "../../src/admin/admin-port.ts";
import type { PlanItem } from "../../src/app/reload/describe.ts";
import type { Product } from "./product.ts";

/** The answer with the parts that tests look at. */
export interface Reloaded extends ReloadAnswer {
  readonly status: number;
  readonly plan?: { readonly items: readonly PlanItem[]; readonly atNextStart: readonly object[] };
}

/** Replaces the file as a whole, as editors do. */
export function rewrite({ folder }: Product, config: unknown): void {
  const path = join(folder, "config.yml");
  writeFileSync(`${path}.new`, typeof config === "string" ? config : JSON.stringify(config));
  renameSync(`${path}.new`, path);
}

export async function post(product: Product, path: "/reload" | "/plan"): Promise<Reloaded> {
  const response = await product.admin(path, { method: "POST" });
  const answer = (await response.json()) as Reloaded;
  return { ...answer, status: response.status };
}

/** Writes the file and reloads it. */
export async function reloadWith(product: Product, config: unknown): Promise<Reloaded> {
  rewrite(product, config);
  return await post(product, "/reload");
}

/** What a plan touches, in short: `changed server 127.0.0.1:80`. */
export function touched({ plan }: Reloaded): readonly string[] {
  return (plan?.items ?? []).map(({ change, kind, name }) => `${change} ${kind} ${name}`);
}

/** A port that nobody listens on now. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop();
  return listener.port;
}
