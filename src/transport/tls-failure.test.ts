// That peers really bring these about is tested with OpenSSL and Python in test/integration/tls-failures.test.ts.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { TLS_FAILURES, type TlsFailure, tlsFailure } from "./tls-failure.ts";

function failed(message: string, code?: string): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}

function boringSsl(reason: string): Error {
  return failed(`error:100000f0:SSL routines:OPENSSL_internal:${reason}`, "EPROTO");
}

describe("tlsFailure", () => {
  const codes: Readonly<Record<string, TlsFailure>> = {
    CERT_REVOKED: "revoked",
    UNABLE_TO_GET_CRL: "no_revocation_list",
    CERT_HAS_EXPIRED: "expired",
    ERR_TLS_CERT_ALTNAME_INVALID: "name_mismatch",
    CLIENT_NOT_ALLOWED: "not_allowed",
    ECONNRESET: "left",
  };
  for (const [code, why] of Object.entries(codes)) {
    test(`takes the code ${code} for ${why}, whatever the text`, () => {
      expect(tlsFailure(failed("some words", code))).toBe(why);
    });
  }

  const reasons: Readonly<Record<string, TlsFailure>> = {
    TLSV1_ALERT_UNKNOWN_CA: "unknown_ca",
    SSLV3_ALERT_CERTIFICATE_REVOKED: "revoked",
    TLSV1_ALERT_CERTIFICATE_REQUIRED: "no_certificate",
    NO_SHARED_GROUP: "no_shared_cipher",
    BAD_DECRYPT: "protocol",
    valueOf2: "protocol",
  };
  for (const [reason, why] of Object.entries(reasons)) {
    test(`takes BoringSSL's ${reason} for ${why}`, () => {
      expect(tlsFailure(boringSsl(reason))).toBe(why);
    });
  }

  test("answers one of the list for any error", () => {
    const text = fc.oneof(fc.string(), fc.constantFrom("constructor", "__proto__", "valueOf"));
    const known: readonly string[] = Object.keys(TLS_FAILURES);
    fc.assert(
      fc.property(text, text, (code, message) => {
        for (const error of [failed(message, code), boringSsl(message), failed(message)])
          expect(known).toContain(tlsFailure(error));
      }),
    );
  });
});
