// What a form of the command line is.

/** An option of a command. */
export interface OptionSpec {
  readonly long: string;
  readonly short?: string;
  /** What its value is called; without one the option is a switch. */
  readonly value?: string;
  readonly default?: string;
  readonly summary: string;
}

/** One form of the command line. */
export interface CommandSpec {
  /** The word that selects it; undefined for the forms without a word. */
  readonly name?: string;
  /** What follows the program's name. */
  readonly usage: string;
  readonly summary: string;
  /** Further sentences, a line each. */
  readonly details: readonly string[];
  readonly operands: readonly { readonly name: string; readonly summary: string }[];
  /** What the first operand may be, with its own operands, where it is a word. */
  readonly actions?: readonly { readonly name: string; readonly summary: string }[];
  readonly options: readonly OptionSpec[];
}
