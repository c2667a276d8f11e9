import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import fc from "fast-check";
import type { DestinationStatus, EndpointStatus, ServerStatus, Status } from "./admin-port.ts";
import { STATUS_PAGE_POLICY, statusPage } from "./status-page.ts";

const ENDPOINT: EndpointStatus = {
  address: "10.0.0.1:80",
  weight: 2.5,
  connections: 31,
  connects: 415,
  failures: 92,
  state: "ready",
  reason: undefined,
};
const DESTINATION: DestinationStatus = {
  router: "default",
  path: "/svc/web",
  resolution: "bound",
  ageSeconds: 65,
  waiting: 3,
  retryBudget: 17,
  branches: [{ id: "/svc/web", weight: 1, endpoints: 1 }],
  endpoints: [ENDPOINT],
};
const SERVER: ServerStatus = {
  router: "default",
  address: "127.0.0.1:7474",
  dstName: "/svc/web",
  tls: true,
  accepts: true,
  connections: 44,
  waiting: 5,
  acceptQueue: 6,
};
const STATUS: Status = {
  version: "0.2.0",
  pid: 4321,
  state: "serving",
  uptimeSeconds: 90_061,
  workers: 2,
  configuration: {
    generation: 1,
    fingerprint: "0123456789abcdef",
    loadedAt: "2026-01-02T03:04:05.000Z",
    lastReload: undefined,
  },
  servers: [SERVER],
  destinations: [DESTINATION],
  namers: [],
  overrides: [],
  drains: [],
};

/** The page as a person reads it: without tags. */
function text(status: Status): string {
  return statusPage(status)
    .replace(/<style>[^]*<\/style>/, "")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ");
}

test("queues and the retry budget are shown where they are", () => {
  expect(text(STATUS)).toContain("127.0.0.1:7474 TLS /svc/web default 44 5 6 ");
  expect(text(STATUS)).toContain("1 endpoint. Waiting for an endpoint: 3. Retry budget: 17.");
  const closed = { ...SERVER, accepts: false, acceptQueue: undefined };
  expect(text({ ...STATUS, servers: [closed] })).toContain(
    "127.0.0.1:7474 closed TLS /svc/web default 44 5 ? ",
  );
});

test("overrides are shown beside what the names say, and expire", () => {
  const override = {
    endpoint: "10.0.0.1:80",
    router: "default",
    dst: "/svc/<web>",
    weight: undefined,
    enabled: false,
    expiresInSeconds: 90,
    applies: [{ router: "default", dst: "/svc/<web>", resolvedWeight: 2 }],
  };
  const weight = { ...override, router: undefined, dst: undefined, enabled: undefined, weight: 0 };
  const overrides = [override, { ...weight, expiresInSeconds: undefined, applies: [] }];
  const shown = text({ ...STATUS, overrides });
  expect(shown).toContain(
    "10.0.0.1:80 default /svc/&lt;web&gt; disabled in 1 min 30 s /svc/&lt;web&gt; weight 2",
  );
  expect(shown).toContain("10.0.0.1:80 everywhere weight 0 never it is in no destination now");
});

test.each(["ejected", "unhealthy", "disabled", "retired"] as const)(
  "an endpoint that is %s looks like it",
  (state) => {
    const page = statusPage({
      ...STATUS,
      destinations: [{ ...DESTINATION, endpoints: [{ ...ENDPOINT, state }] }],
    });
    expect(page).toContain(`<td class="${state}">`);
    expect(/<style>([^]*)<\/style>/.exec(page)?.[1]).toContain(`.${state}`);
  },
);

test("a split of the traffic is shown with its shares", () => {
  const branches = [
    { id: "/#/io.l5d.fs/web", weight: 0.9, endpoints: 3 },
    { id: "/#/io.l5d.fs/<canary>", weight: 0.1, endpoints: 1 },
  ];
  const shown = statusPage({ ...STATUS, destinations: [{ ...DESTINATION, branches }] });
  expect(shown).toContain("90 % to /#/io.l5d.fs/web, 3 endpoints");
  expect(shown).toContain("10 % to /#/io.l5d.fs/&lt;canary&gt;, 1 endpoint<");
  expect(statusPage(STATUS)).not.toContain("100 %");
});

test("namers are shown with what is wrong with them", () => {
  const fine = {
    prefix: "/#/io.l5d.fs",
    kind: "io.l5d.fs",
    names: 2,
    failing: undefined,
    emptied: 0,
    silent: 0,
    oldestConfirmedSeconds: 3,
  };
  const bad = { ...fine, failing: "<it> broke", emptied: 1, silent: 2 };
  expect(text({ ...STATUS, namers: [fine] })).toContain("io.l5d.fs 2 3 s ago none");
  expect(statusPage({ ...STATUS, namers: [bad] })).toContain(
    "&lt;it&gt; broke; 1 name lost all endpoints; silent about 2 names",
  );
});

test("the rules of a server are shown, as text, and not without end", () => {
  const [server] = STATUS.servers;
  if (server === undefined) throw new Error("no server");
  const shown = (count: number) => {
    const routes = Array.from({ length: count }, (_, at) => `sni <${at}> -> /svc/${at}`);
    return statusPage({
      ...STATUS,
      servers: [{ ...server, tls: false, passthrough: true, routes }],
    });
  };
  expect(shown(2)).toContain("<td>TLS, passed through</td>");
  expect(shown(2)).toContain("<br>sni &lt;0&gt; -&gt; /svc/0<br>sni &lt;1&gt; -&gt; /svc/1</td>");
  expect(shown(30)).toContain("<br>and 10 more</td>");
});

test("an upgrade is shown as it stands, and which process one looks at", () => {
  expect(text(STATUS)).toContain("process 4321");
  expect(text(STATUS)).not.toContain("pgrade");
  const shown = (upgrade: Status["upgrade"]) => statusPage({ ...STATUS, upgrade });
  expect(shown({ state: "starting", pid: 77 })).toContain("process 77 starts");
  expect(shown({ state: "done", pid: 77 })).toContain("process 77 has taken over");
  expect(shown({ state: "failed", message: "<no>" })).toContain("upgrade failed: &lt;no&gt;");
});

test("limits are shown with who is refused and who has most connections", () => {
  const refusals = {
    router: "default",
    address: "127.0.0.1:7474",
    dryRun: false,
    refusals: { deny: 7, source_rate: 2 },
    refused: [
      { source: "10.0.0.<1>", refusals: 7, uncertain: 0, rule: "deny", secondsAgo: 3 },
      { source: "2001:db8::/64", refusals: 9, uncertain: 4, rule: "source_rate", secondsAgo: 3 },
    ],
    connected: [{ source: "10.0.0.2", connections: 5 }],
  };
  const shown = text({ ...STATUS, refusals: [refusals] });
  expect(shown).toContain("Refused since the start: deny 7, source_rate 2. As JSON .");
  expect(shown).toContain("10.0.0.&lt;1&gt; deny 7 2001:db8::/64 source_rate 5 to 9");
  expect(shown).toContain("Most connections Connections 10.0.0.2 5");
  const nobody = { ...refusals, dryRun: true, refusals: {}, refused: [], connected: [] };
  expect(text({ ...STATUS, refusals: [nobody] })).toContain(
    "Would have refused (dryRun) since the start: nobody.",
  );
});

test("drains are shown while there are such", () => {
  const drain = {
    what: "1 removed endpoint of <web>",
    reason: "drained",
    ageSeconds: 61,
    total: 480,
    left: 291,
    deadlineSeconds: 239,
  };
  const shown = text({ ...STATUS, drains: [drain, { ...drain, deadlineSeconds: undefined }] });
  expect(shown).toContain("of &lt;web&gt; drained 1 min 1 s 291 480 in 3 min 59 s");
  expect(shown).toContain("291 480 none");
  expect(text(STATUS)).not.toContain("Drains");
});

function withEndpoints(endpoints: readonly EndpointStatus[]): Status {
  return { ...STATUS, destinations: [{ ...DESTINATION, endpoints }] };
}

const lynx = Bun.which("lynx");

describe("statusPage()", () => {
  test("shows the state, the servers, and each destination with its endpoints", () => {
    const shown = text(STATUS);
    expect(shown).toContain(
      "State: serving . Version 0.2.0, process 4321, up for 1 d 1 h, 2 workers.",
    );
    expect(shown).toContain("127.0.0.1:7474 TLS /svc/web default");
    expect(shown).toContain("Resolution: bound, confirmed 1 min 5 s ago. 1 endpoint.");
    expect(shown).toContain("10.0.0.1:80 ready 2.5 31 415 92");
  });

  test("links what there is besides", () => {
    for (const path of ["/metrics", "/config.json", "/status.json"])
      expect(statusPage(STATUS)).toContain(`href="${path}"`);
  });

  test("says so when there is nothing to show", () => {
    const shown = text({ ...STATUS, state: "starting", servers: [], destinations: [] });
    expect(shown).toContain("Servers None.");
    expect(shown).toContain("None: no server");
    expect(
      text({ ...STATUS, destinations: [{ ...DESTINATION, ageSeconds: undefined, endpoints: [] }] }),
    ).toContain("never confirmed. 0 endpoints.");
  });

  test.each([
    [0, "0 s"],
    [-3, "0 s"],
    [59.9, "59 s"],
    [3600, "1 h"],
    [3605, "1 h"],
    [86_400 * 400 + 3600, "400 d 1 h"],
  ])("writes %p seconds as %p", (uptimeSeconds, expected) => {
    expect(text({ ...STATUS, uptimeSeconds })).toContain(`up for ${expected},`);
  });

  test("keeps any value text, wherever it stands", () => {
    const nasty = fc.string({ unit: fc.constantFrom("<", ">", '"', "'", "&", "/", "a", "script") });
    fc.assert(
      fc.property(nasty, (value) => {
        const endpoint = { ...ENDPOINT, address: value, state: value as EndpointStatus["state"] };
        const page = statusPage({
          ...STATUS,
          version: value,
          servers: [{ ...SERVER, router: value, address: value, dstName: value }],
          destinations: [
            {
              ...DESTINATION,
              router: value,
              path: value,
              resolution: value,
              branches: [{ id: `${value}!`, weight: 1, endpoints: 1 }],
              endpoints: [endpoint],
            },
          ],
        });
        const tags = (html: string): number => html.split("<").length;
        const quotes = (html: string): number => html.split('"').length;
        const branches = [{ id: "/another", weight: 1, endpoints: 1 }];
        const plain = statusPage({ ...STATUS, destinations: [{ ...DESTINATION, branches }] });
        expect([tags(page), quotes(page)]).toEqual([tags(plain), quotes(plain)]);
      }),
    );
    const page = statusPage({ ...STATUS, version: `<script>alert('"&')</script>` });
    expect(page).toContain("&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;");
    expect(page).not.toContain("<script");
  });

  test("lists the busiest of very many endpoints and says how many there are besides", () => {
    const endpoints = Array.from({ length: 20_000 }, (_, at) => ({
      ...ENDPOINT,
      address: `e${at}.`,
      connections: at,
    }));
    const page = statusPage(withEndpoints(endpoints));
    expect(page.length).toBeLessThan(50_000);
    expect(page).toContain("e19999.");
    expect(page).not.toContain("e19899.");
    expect(page).toContain("19900 less busy endpoints");
  });

  test("lists the first of very many destinations", () => {
    const destinations = Array.from({ length: 300 }, (_, at) => ({
      ...DESTINATION,
      path: `/svc/${at}.`,
    }));
    const page = statusPage({ ...STATUS, destinations });
    expect(page).toContain("/svc/199.");
    expect(page).not.toContain("/svc/200.");
    expect(page).toContain("And 100 more destinations");
  });

  test("may run no script and load nothing, and its own style is the one that the policy names", () => {
    const page = statusPage(STATUS);
    const style = /<style>([^]*)<\/style>/.exec(page)?.[1] ?? "";
    const hash = createHash("sha256").update(style).digest("base64");
    expect(STATUS_PAGE_POLICY).toContain(`style-src 'sha256-${hash}';`);
    expect(STATUS_PAGE_POLICY).toStartWith("default-src 'none';");
    expect(page).not.toMatch(/<script|style=|\son\w+=|src=/);
  });

  test.skipIf(lynx === null)("reads well in lynx", () => {
    const { stdout } = Bun.spawnSync([lynx ?? "", "-dump", "-stdin", "-nolist"], {
      stdin: Buffer.from(statusPage(STATUS)),
    });
    expect(stdout.toString()).toMatch(/10\.0\.0\.1:80 +ready +2\.5 +31 +415 +92/);
  });
});

test("the page shows certificates, those that end first first, and what is refused", () => {
  const certificate = {
    file: "web.pem",
    role: "server",
    name: "<web>",
    notAfter: "2026-01-02T03:04:05.000Z",
    secondsLeft: 90_000,
  } as const;
  const page = statusPage({
    ...STATUS,
    certificates: [{ ...certificate, secondsLeft: -1 }, certificate],
    refusedCertificates: [{ unit: "tls.x", problems: ["a", "<b>"], isKept: true }],
  });
  expect(page).toContain(
    '<p class="ejected">Refused, the one before stays in use: tls.x: a; &lt;b&gt;</p>',
  );
  expect(page).toContain('<td>&lt;web&gt;</td><td class="ejected">expired</td>');
  expect(page).toContain('<td class="ejected">in 1 d 1 h</td><td>2026-01-02T03:04:05.000Z</td>');
  expect(statusPage(STATUS)).not.toContain("Certificates");
});
