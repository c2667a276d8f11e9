// Lines of JSON that a program writes to its standard output.

/** Tells `onValue` of each; resolves when there will be no more. */
export async function followJson(
  output: ReadableStream<Uint8Array>,
  onValue: (value: unknown) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of output) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onValue(JSON.parse(line));
  }
}
