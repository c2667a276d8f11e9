// The part of the status page that is about certificates.
import type { Status } from "./admin-port.ts";
import { duration, escape, more, table } from "./status-html.ts";

/** How many are listed, so that a page stays a page. */
const MOST_CERTIFICATES = 100;
const WEEK_SECONDS = 7 * 86_400;

/** Certificates that end first, and files that cannot be used; empty where there is nothing of either. */
export function certificateSection({
  certificates = [],
  refusedCertificates = [],
}: Status): string {
  if (certificates.length + refusedCertificates.length === 0) return "";
  const refused = refusedCertificates.map(({ unit, problems, isKept }) => {
    const what = isKept ? "Refused, the one before stays in use" : "Refused";
    return `<p class="ejected">${what}: ${escape(unit)}: ${escape(problems.join("; "))}</p>`;
  });
  const rows = certificates
    .slice(0, MOST_CERTIFICATES)
    .map(({ file, role, name, notAfter, secondsLeft }) => {
      const left = secondsLeft < 0 ? "expired" : `in ${duration(secondsLeft)}`;
      return (
        `<tr><th scope="row">${escape(file)}</th><td>${role}</td><td>${escape(name)}</td>` +
        `<td${secondsLeft < WEEK_SECONDS ? ' class="ejected"' : ""}>${left}</td><td>${escape(notAfter)}</td></tr>`
      );
    });
  const head = ["File", "For", "Name", "Ends", "At"];
  return `<h2>Certificates</h2>
${refused.join("\n")}
${table(head.map((name) => `<th scope="col">${name}</th>`).join(""), rows)}
${more(certificates.length - rows.length, "more certificate")}`;
}
