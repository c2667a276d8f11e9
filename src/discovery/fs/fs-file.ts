// Reads the text of an endpoint file: one endpoint a line, `#` begins a comment.
import type { HostEndpoint } from "../../config/types.ts";
import { parseEndpointLine } from "../../naming/endpoint-line.ts";

export interface FsFile {
  readonly endpoints: readonly HostEndpoint[];
  readonly problems: readonly LineProblem[];
}

const MAX_TEXT_LENGTH = 200;

/** A line that says nothing usable. */
export interface LineProblem {
  /** From 1. */
  readonly line: number;
  /** What stands there, without comment and white space around it; cut when it is long. */
  readonly text: string;
  /** A clause for people. */
  readonly problem: string;
}

/**
 * Reads all lines. A bad line is a problem and the others count all the same; linkerd refuses the whole file, which
 * turns a slip of the pen into an outage. Any text gives a value.
 */
export function parseFsFile(text: string): FsFile {
  const endpoints: HostEndpoint[] = [];
  const problems: LineProblem[] = [];
  for (const [index, full] of text.split(/\r\n|\n|\r/).entries()) {
    const [content = ""] = full.split("#");
    // An editor's byte order mark is no part of the first host.
    const line = content.replace(/^\ufeff/, "").trim();
    if (line === "") continue;
    const result = parseEndpointLine(line);
    if ("problem" in result) {
      const { problem } = result;
      problems.push({ line: index + 1, text: line.slice(0, MAX_TEXT_LENGTH), problem });
    } else endpoints.push(result);
  }
  return { endpoints, problems };
}
