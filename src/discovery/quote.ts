// How texts of others are shown to people.

/** Longest part of a foreign text that is shown to people. */
export const LONGEST_QUOTE = 200;

/** A foreign text, cut and cleaned so that it can stand in one line of a log. */
export function quote(text: string): string {
  const clean = text
    .slice(0, LONGEST_QUOTE)
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");
  return text.length > LONGEST_QUOTE ? `${clean}...` : clean;
}
