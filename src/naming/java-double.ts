// Numbers as Java prints them: namerd's weights are Java doubles.

/**
 * What `Double.toString` of Java 19 and later gives: the shortest decimal that reads back as the same number, with at least
 * one digit after the point, and with an exponent below 0.001 and from 10,000,000. (Java SE 19 API, Double.toString.)
 * Only for finite numbers is it JSON.
 */
export function javaDouble(value: number): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return String(value);
  if (Object.is(value, -0)) return "-0.0";
  if (size === 0 || (size >= 1e-3 && size < 1e7)) return withPoint(String(value));
  const [digits = "", exponent = ""] = value.toExponential().split("e");
  return `${withPoint(digits)}E${exponent.replace("+", "")}`;
}

function withPoint(digits: string): string {
  return digits.includes(".") ? digits : `${digits}.0`;
}
