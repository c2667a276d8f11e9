// The metrics of a registry, read back as the metrics page would show them.
import { Aggregate } from "../../src/telemetry/aggregate.ts";
import { Registry } from "../../src/telemetry/registry.ts";

/** A registry, and what its series say now. */
export class Samples {
  readonly #aggregate = new Aggregate();
  readonly registry = new Registry(this.#aggregate.source("test"));

  /**
   * The number of the series of the metric `name` that has `label` among its labels, or of its only one; for a histogram how
   * often it was told something. Undefined where there is none.
   */
  value(name: string, label?: string): number | undefined {
    const family = this.#aggregate.collect().find(({ definition }) => definition.name === name);
    const series = family?.series.find(
      ({ labels }) => label === undefined || labels.includes(label),
    );
    if (family?.definition.kind !== "histogram") return series?.numbers[0];
    return series?.numbers.slice(0, -1).reduce((sum, count) => sum + count, 0);
  }
}
