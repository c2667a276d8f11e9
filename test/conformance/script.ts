// The language of the suite: what an end of a connection does, and what it must see. peer.py does the steps.

/** One thing that an end does. */
export type Step =
  | { readonly do: "send"; readonly bytes: number; readonly background?: boolean }
  | { readonly do: "receive"; readonly bytes: number }
  | { readonly do: "receiveNothing" | "stall"; readonly ms: number }
  | { readonly do: "tell" | "await"; readonly mark: string }
  | {
      readonly do:
        | "fill"
        | "sendUntilRefused"
        | "receiveAll"
        | "shutdown"
        | "notify"
        | "fin"
        | "close"
        | "closeUnread"
        | "reset";
    };

/** Sends so many bytes, which must be taken. */
export const send = (bytes: number): Step => ({ do: "send", bytes });
/** The same at the side of the steps that follow. */
export const sendAside = (bytes: number): Step => ({ do: "send", bytes, background: true });
/** Sends until nothing was taken for 300 ms. */
export const fill: Step = { do: "fill" };
/** Sends until the system refuses. */
export const sendUntilRefused: Step = { do: "sendUntilRefused" };
/** Receives so many bytes, or up to an end. */
export const receive = (bytes: number): Step => ({ do: "receive", bytes });
/** Receives up to the end, which is noted. */
export const receiveAll: Step = { do: "receiveAll" };
/** Waits for what must not come. Seen as the end `open`. */
export const receiveNothing = (ms: number): Step => ({ do: "receiveNothing", ms });
/** Does nothing, and above all does not read. */
export const stall = (ms: number): Step => ({ do: "stall", ms });
/** Lets the other end go on that awaits `mark`. */
export const tell = (mark: string): Step => ({ do: "tell", mark });
export const awaits = (mark: string): Step => ({ do: "await", mark });
/** Half-close: FIN, for TLS after close_notify. */
export const shutdown: Step = { do: "shutdown" };
/** close_notify without FIN. */
export const notify: Step = { do: "notify" };
/** FIN without close_notify. */
export const fin: Step = { do: "fin" };
/** Closes both directions in good order. */
export const close: Step = { do: "close" };
/** Closes while bytes that have come are unread: the system makes a reset of it. */
export const closeUnread: Step = { do: "closeUnread" };
export const reset: Step = { do: "reset" };

/**
 * How a direction may end. `end`: in good order, by FIN, for TLS by close_notify. `fin`: TLS by a bare FIN. `reset`.
 * `open`: not at all. `abort` stands for what an end must see of a reset: a reset, or, since TLS tells it from a good
 * end, a bare FIN.
 */
export type End = "end" | "fin" | "reset" | "open" | "abort";

/** What an end must see. */
export interface Expectation {
  /** Of what the other end sent: all of it, a beginning of it, or nothing. */
  readonly gets: "all" | "part" | "nothing";
  /** The ends in the order in which they are seen; any of several where they are equally right. */
  readonly ends?: readonly (End | readonly End[])[];
  /** Whether `sendUntilRefused` must come to its end. */
  readonly refused?: true;
}

/** One end's part. */
export interface Part {
  readonly steps: readonly Step[];
  readonly sees: Expectation;
}

/** Which connections speak TLS. */
export const TLS_MODES = {
  plain: { client: false, endpoint: false },
  "tls-client": { client: true, endpoint: false },
  "tls-endpoint": { client: false, endpoint: true },
  "tls-both": { client: true, endpoint: true },
} as const;
export type TlsMode = keyof typeof TLS_MODES;
export const MODES = Object.keys(TLS_MODES) as readonly TlsMode[];

/** What happens, told of one end (`by`) and the other. */
export interface Scenario {
  readonly name: string;
  /** A sentence; `{by}` and `{other}` stand for the ends. */
  readonly says: string;
  readonly by: Part;
  readonly other: Part;
  /** Both ends do the same: there is nothing to mirror. */
  readonly symmetric?: true;
  /** Only where the end `by` speaks TLS. */
  readonly tlsOnly?: true;
}

export type EndName = "client" | "endpoint";

/** A scenario with its ends chosen: one row of the table. */
export interface Case {
  readonly name: string;
  readonly says: string;
  readonly parts: Readonly<Record<EndName, Part>>;
  readonly modes: readonly TlsMode[];
}

/** Each scenario with the client in the place of `by`, and with the endpoint. */
export function casesOf(scenarios: readonly Scenario[]): readonly Case[] {
  return scenarios.flatMap((scenario) =>
    scenario.symmetric === true
      ? [caseOf(scenario, "client", scenario.name)]
      : (["client", "endpoint"] as const).map((by) =>
          caseOf(scenario, by, `${scenario.name}, ${by}`),
        ),
  );
}

function caseOf(scenario: Scenario, by: EndName, name: string): Case {
  const other = by === "client" ? "endpoint" : "client";
  const parts = { [by]: scenario.by, [other]: scenario.other } as Record<EndName, Part>;
  return {
    name,
    says: scenario.says.replaceAll("{by}", by).replaceAll("{other}", other),
    parts,
    modes: MODES.filter((mode) => scenario.tlsOnly !== true || TLS_MODES[mode][by]),
  };
}
