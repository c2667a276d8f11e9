// docs/reference/admin-api.md: what the admin server answers.
import { ADMIN_ROUTES } from "../../src/admin/routes.ts";
import { code, GENERATED, page, table } from "./markdown.ts";

const INTRODUCTION = `HTTP on \`admin.ip\` and \`admin.port\`, by default 127.0.0.1:9989. There is no login: whoever reaches the port may use
all of it. [Deployment](../guide/deployment.md) says how to keep it closed.`;

const RULES = `## For all paths

- \`HEAD\` works where \`GET\` does. Another method gets 405 with the header \`Allow\`, another path 404.
- No answer may be cached (\`Cache-Control: no-store\`). Bodies of requests are not read; more than 1024 bytes are refused.
- A connection without a byte for 10 seconds is closed.
- A request is refused with 403, and the reason as text, where a browser may have been made to send it:
  - on a loopback address, when \`Host\` is not \`localhost\`, \`127.0.0.1\` (or another address of 127.0.0.0/8) or \`[::1]\`
    with the port of the server;
  - for \`POST\`, when \`Origin\` or \`Sec-Fetch-Site\` tells of a page of another site. curl sends neither.`;

/** The page as Markdown. */
export function adminPage(): string {
  return page(
    GENERATED,
    "# Admin server",
    INTRODUCTION,
    table(
      ["Method", "Path", "Answer"],
      ADMIN_ROUTES.map(({ method, path, summary }) => [code(method), code(path), summary]),
    ),
    RULES,
  );
}
