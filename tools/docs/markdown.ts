// Small pieces of Markdown.

export const GENERATED =
  "<!-- Written by tools/generate-docs.ts from the code. Edits here are lost. -->";

/** A table. Cells are one line of Markdown each. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

export function code(text: string): string {
  return `\`${text}\``;
}

/** Parts of a page, with an empty line between them. */
export function page(...parts: readonly string[]): string {
  return `${parts.join("\n\n")}\n`;
}
