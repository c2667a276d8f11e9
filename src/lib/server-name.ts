// The name that a TLS client asks for (SNI), as everybody here compares it. Whoever chooses by it, the identity with what it
// asks of clients as well as the rules, must take the same spellings for the same name, or one is a way around the other.

/** What a name is made of. Others may become ASCII in lower case: the sign for kelvin a k. */
const ASCII = /^[!-~]+$/;

/** Letters, digits and hyphens in labels; underscores too, as private names have them. */
const HOST =
  /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

/** Lower case, without a dot at its end; undefined for what is not ASCII. */
export function comparedName(serverName: string): string | undefined {
  return ASCII.test(serverName) ? serverName.replace(/\.$/, "").toLowerCase() : undefined;
}

/** The same, undefined too for what is no host name. */
export function hostNameOf(serverName: string): string | undefined {
  const name = comparedName(serverName);
  return name !== undefined && name.length <= 253 && HOST.test(name) ? name : undefined;
}
