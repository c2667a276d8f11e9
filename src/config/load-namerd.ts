// Loads the configuration of the embedded namerd. See load.ts.
import { compileNamerd } from "./compile-namerd.ts";
import { readDocument } from "./document.ts";
import { loadFile, withoutSecrets } from "./load.ts";
import type { LoadResult } from "./load-result.ts";
import { namerdSchema } from "./namerd-schema.ts";
import type { NamerdConfig } from "./namerd-types.ts";
import { fit } from "./parse.ts";
import { childOf } from "./keys.ts";
import type { Surroundings } from "./surroundings.ts";

/** As `loadConfig`, for namerd's file. Never rejects. */
export async function loadNamerdConfig(
  path: string,
  stdin?: Uint8Array,
): Promise<LoadResult<NamerdConfig>> {
  return await loadFile(path, stdin, loadNamerdText);
}

/** Loads a text that was read from `name`. Never throws. */
export function loadNamerdText(
  text: string,
  name: string,
  around: Surroundings,
): LoadResult<NamerdConfig> {
  const { raw, problems } = readDocument(text, name);
  let config: NamerdConfig | undefined;
  if (raw === null) {
    problems.error(
      [],
      "the file is empty: expected an object with the keys storage and interfaces",
    );
  } else if (childOf(raw, "routers") !== undefined) {
    problems.keyError(
      ["routers"],
      "this is a configuration of the proxy; namerd's has storage, namers and interfaces",
    );
  } else if (raw !== undefined) {
    const file = fit(raw, namerdSchema, problems);
    if (file !== undefined) config = compileNamerd(file, around, problems);
  }
  const found = problems.sorted();
  if (config === undefined || problems.hasErrors) {
    return { ok: false, reason: "invalid", problems: found };
  }
  return { ok: true, config, source: withoutSecrets(raw), warnings: found };
}
