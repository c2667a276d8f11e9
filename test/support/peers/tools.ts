// Programs of the system that tests use as independent peers.

/** Whether a test may count on `tool`. Where CI is set it must: a test that needs it fails without it. */
export function has(tool: string): boolean {
  const mustBeThere = (process.env["CI"] ?? "") !== "";
  return mustBeThere || Bun.which(tool) !== null;
}
