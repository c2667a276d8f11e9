// Runs the command-line programs of TLS stacks, which talk as long as their input is open.

const LONGEST_MS = 30_000;

/** What a program is told, once it has said `after` since the step before. */
export interface Step {
  readonly after?: string;
  readonly say: string;
}

/** What a program said until it ended. */
export interface Said {
  /** Undefined: it had to be killed. */
  readonly code: number | undefined;
  readonly text: string;
}

/** Runs a program that ends by itself when its connection has, and keeps its input open until then. */
export async function converse(
  command: readonly string[],
  steps: readonly Step[] = [],
): Promise<Said> {
  const child = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, LONGEST_MS);
  const left = [...steps];
  let stdout = "";
  let unread = 0;
  const goOn = (): void => {
    for (let step = left[0]; step !== undefined; step = left[0]) {
      const at = stdout.indexOf(step.after ?? "", unread);
      if (at < 0) return;
      unread = at + (step.after ?? "").length;
      left.shift();
      void child.stdin.write(step.say);
      void child.stdin.flush();
    }
  };
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    goOn();
    for await (const bytes of child.stdout) {
      stdout += decoder.decode(bytes, { stream: true });
      goOn();
    }
  };
  const [, stderr, code] = await Promise.all([
    read(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  clearTimeout(timer);
  return { code: isLate ? undefined : code, text: `${stdout}\n${stderr}` };
}
