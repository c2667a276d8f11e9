import { expect, test } from "bun:test";
import { chart } from "./chart.ts";
import { RUN } from "./fixture.ts";

const drawing = chart(RUN) ?? "";

test("chart() draws a bar for each proxy that has a figure, and no workers", () => {
  expect(drawing.match(/<rect class="ours" x="270"/g)).toHaveLength(2);
  expect(drawing.match(/<rect class="peer0" x="270"/g)).toHaveLength(2);
  expect(drawing.match(/<rect class="peer1" x="270"/g)).toHaveLength(1);
  expect(drawing).toContain("FAILED");
});

test("chart() gives ratio and figure beside the bar, and marks targets that are ratios", () => {
  expect(drawing).toContain("1.30× · 13.0 µs CPU");
  expect(drawing.match(/<line class="target"/g)).toHaveLength(2);
});

test("chart() is well-formed and escapes what it is given", async () => {
  const opened: string[] = [];
  const closed = await new HTMLRewriter()
    .on("*", { element: ({ tagName }) => void opened.push(tagName) })
    .transform(new globalThis.Response(drawing))
    .text();
  expect(opened.filter((tag) => tag === "svg")).toHaveLength(1);
  expect(closed).toContain("A &lt;fast&gt; CPU");
  expect(drawing).not.toContain("NaN");
});

test("chart() has colours for dark pages", () => {
  expect(drawing).toContain("prefers-color-scheme: dark");
});

test("chart() is absent when there is nothing to compare", () => {
  expect(chart({ ...RUN, results: RUN.results.slice(2) })).toBeUndefined();
});
