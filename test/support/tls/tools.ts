// Programs that tests use as peers.

/**
 * Whether a program is there: `test.skipIf(!has("openssl"))`. In CI it always says yes, so that a program that is
 * missing fails its tests there instead of hiding them.
 */
export function has(program: string): boolean {
  return process.env["CI"] !== undefined || Bun.which(program) !== null;
}

/** What a program said until it ended. */
export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end with `stdin` as its input. */
export async function run(
  command: readonly string[],
  options: { readonly stdin?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Output> {
  const child = Bun.spawn([...command], {
    stdin: Buffer.from(options.stdin ?? ""),
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...options.env },
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}
