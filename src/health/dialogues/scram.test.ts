import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ScramClient, ScramKeys } from "./scram.ts";

// The example of RFC 7677, section 3.
const NONCE = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE = `${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0`;
const SERVER_FIRST = `r=${SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`;
const SERVER_FINAL = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

const client = (password = "pencil") => new ScramClient(new ScramKeys(password), NONCE, "user");

describe("ScramClient", () => {
  test("speaks as in the example of RFC 7677", () => {
    const scram = client();
    expect(scram.first()).toBe(`n,,n=user,r=${NONCE}`);
    expect(scram.proof(SERVER_FIRST)).toEqual({
      ok: true,
      message: `c=biws,r=${SERVER_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
    });
    expect(scram.verify(SERVER_FINAL)).toBe(true);
  });

  test("does not believe a server that does not know the password", () => {
    for (const final of ["", "v=", "e=other-error", SERVER_FINAL.replace("6", "7")]) {
      const scram = client();
      scram.proof(SERVER_FIRST);
      expect(scram.verify(final)).toBe(false);
    }
    const other = client("pen");
    other.proof(SERVER_FIRST);
    expect(other.verify(SERVER_FINAL)).toBe(false);
    expect(client().verify(SERVER_FINAL)).toBe(false);
  });

  test.each([
    `r=${NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
    "r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    SERVER_FIRST.replace("i=4096", "i=0"),
    SERVER_FIRST.replace("i=4096", "i=999999999"),
    SERVER_FIRST.replace(",i=4096", ""),
  ])("refuses %s", (first) => {
    expect(client().proof(first)).toMatchObject({ ok: false });
  });

  test("answers whatever a server says", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (first, final) => {
        const scram = client();
        expect(scram.proof(`r=${NONCE}${first}`).ok).toBe(false);
        expect(scram.verify(final)).toBe(false);
      }),
    );
  });
});
