// A machine that has too much to do: the product gets the processor only now and then.
import type { Product } from "../product.ts";

/** Gives the process no processor for most of the time, as a machine does that has too much to do. */
export class Starvation {
  readonly #product: Product;
  #over = false;

  constructor(product: Product) {
    this.#product = product;
    void this.#run();
  }

  stop(): void {
    this.#over = true;
  }

  async #run(): Promise<void> {
    while (!this.#over && this.#product.process.exitCode === null) {
      this.#product.process.kill("SIGSTOP");
      await Bun.sleep(300);
      this.#product.process.kill("SIGCONT");
      await Bun.sleep(60);
    }
  }
}
