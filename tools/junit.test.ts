import { describe, expect, test } from "bun:test";
import { parseJunit } from "./junit.ts";

// As Bun 1.4.5 writes it.
const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="6" assertions="2" failures="2" skipped="2" time="0.04">
  <testsuite name="a/ok.test.ts" file="a/ok.test.ts" tests="4" failures="0" skipped="2" time="0.007">
    <testsuite name="group &lt;x&gt;" file="a/ok.test.ts" line="2" tests="3" failures="0" skipped="2">
      <testcase name="adds" classname="group &lt;x&gt;" time="0.00003" file="a/ok.test.ts" line="2" assertions="1" />
      <testcase name="&quot;q&quot; &amp;lt;" classname="group &lt;x&gt;" time="0" file="a/ok.test.ts" line="7" assertions="0">
        <skipped />
      </testcase>
      <testcase name="later" classname="group &lt;x&gt;" time="0" file="a/ok.test.ts" line="8" assertions="0">
        <skipped message="TODO" />
      </testcase>
    </testsuite>
    <testcase name="w" classname="" time="0.004" file="a/ok.test.ts" line="9" assertions="1" />
  </testsuite>
  <testsuite name="a/fail.test.ts" file="a/fail.test.ts" tests="2" failures="2" skipped="0">
    <testcase name="fails" classname="" time="0.0002" file="a/fail.test.ts" line="2" assertions="1">
      <failure type="AssertionError" message="a &lt;skipped /&gt; b&#10;">a &lt;skipped /&gt; b&#10;</failure>
    </testcase>
    <testsuite name="hooks" file="a/fail.test.ts" line="4" tests="1" failures="1" skipped="0">
      <testcase name="(unnamed)" classname="hooks" time="0.0001" file="a/fail.test.ts" assertions="0">
        <failure type="Error" message="before">Error: before&#10;      at a/fail.test.ts:5:45&#10;</failure>
      </testcase>
    </testsuite>
  </testsuite>
</testsuites>`;

describe("parseJunit()", () => {
  test("counts tests, not suites", () => {
    const { passed, failed, skipped } = parseJunit(REPORT);
    expect([passed, failed.length, skipped.length]).toEqual([2, 2, 2]);
  });

  test("names the skipped tests, with their suites", () => {
    expect(parseJunit(REPORT).skipped).toEqual([
      { file: "a/ok.test.ts", line: 7, name: 'group <x> > "q" &lt;' },
      { file: "a/ok.test.ts", line: 8, name: "group <x> > later" },
    ]);
  });

  test("names the failed tests and hooks, with their suites", () => {
    expect(parseJunit(REPORT).failed).toEqual([
      { file: "a/fail.test.ts", line: 2, name: "fails" },
      { file: "a/fail.test.ts", line: 0, name: "hooks > (unnamed)" },
    ]);
  });

  test("tells which files reported", () => {
    expect([...parseJunit(REPORT).files]).toEqual(["a/ok.test.ts", "a/fail.test.ts"]);
  });

  test("reads no tests from an empty or foreign text", () => {
    for (const text of ["", "<html>", '<testsuites name="bun test" tests="0">']) {
      expect(parseJunit(text)).toEqual({ passed: 0, failed: [], skipped: [], files: new Set() });
    }
  });
});
