// What must hold of a proxy once a storm is over: counters that add up, nothing left open, nothing kept. And what must
// hold all the time: the admin port answers.
import { expect } from "bun:test";
import { FEW_FILES, privateBytes, readings } from "../support/peers/observed.ts";
import type { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

const MIB = 1 << 20;
/** How late an answer of the admin port may be while two cores are shared with the storm. */
const ANSWER_WITHIN_MS = 5_000;

/** Private memory and descriptors of a proxy at rest, and a watch on its admin port from then on. */
export class Ledger {
  readonly #product: Product;
  readonly #files: number;
  readonly #bytes: number;
  #watching = true;
  #slowestMs = 0;
  #answers = 0;
  #failure: unknown;

  private constructor(product: Product, files: number, bytes: number) {
    this.#product = product;
    this.#files = files;
    this.#bytes = bytes;
    void this.#watch();
  }

  /** Begins once nothing is open. Memory is compared with what it is now: warm up before. */
  static async open(product: Product): Promise<Ledger> {
    await atRest(product);
    return new Ledger(product, product.openFiles(), privateBytes(product));
  }

  /** How many bytes of private memory are in use beyond those at the beginning. */
  get grownBytes(): number {
    return privateBytes(this.#product) - this.#bytes;
  }

  /**
   * Waits until every connection has ended, and checks all that must hold then. `slackMib`: by how much private memory
   * may have grown; free memory goes back to the system in its own time.
   */
  async close(slackMib: number): Promise<void> {
    await atRest(this.#product);
    this.#watching = false;
    const page = await readings(this.#product);
    const accepts = page.sum("l5d_srv_accepts_total");
    const closes = page.sum("l5d_srv_closes_total");
    const failures = page.sum("l5d_srv_failures_total");
    expect(accepts).toBe(closes + failures);
    expect(page.sum("l5d_srv_close_reason_total")).toBe(accepts);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "internal" })).toBe(0);
    expect(page.sum("l5d_balancer_waiters")).toBe(0);
    expect(page.sum("l5d_endpoint_connections")).toBe(0);
    expect(this.#product.log.filter(({ msg }) => msg === "defect")).toEqual([]);
    const most = this.#files + FEW_FILES;
    await until("descriptors are closed", () => this.#product.openFiles() <= most);
    await until(
      `private memory has grown by no more than ${slackMib} MiB`,
      () => this.grownBytes <= slackMib * MIB,
    );
    expect(this.#failure).toBeUndefined();
    expect(this.#answers).toBeGreaterThan(0);
    expect(this.#slowestMs).toBeLessThan(ANSWER_WITHIN_MS);
  }

  async #watch(): Promise<void> {
    while (this.#watching) {
      const begun = performance.now();
      try {
        await readings(this.#product);
      } catch (error) {
        this.#failure = error;
        return;
      }
      this.#answers += 1;
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - begun);
      await Bun.sleep(200);
    }
  }
}

/** Waits until no connection is open or being made. */
async function atRest(product: Product): Promise<void> {
  await until(
    "every connection has ended",
    async () => {
      const page = await readings(product);
      return page.sum("l5d_srv_active") === 0 && page.sum("l5d_balancer_connection_pending") === 0;
    },
    30_000,
  );
}
