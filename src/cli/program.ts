// The name of the program, as it stands in front of what it says.

export const PROGRAM = "linkerd-tcp";
