// Hands out the rows of the shared endpoint table, and takes them back once no worker uses them.
import {
  EndpointRow,
  newEndpointPage,
  type RowId,
  ROWS_PER_PAGE,
} from "../telemetry/endpoint-table.ts";
import { EndpointSlots, newSlotPage } from "../telemetry/endpoint-slots.ts";
import type { EndpointPage } from "../wire/messages.ts";

/** The pages of the table. Only the control thread allocates. */
export class EndpointRows {
  readonly #workers: number;
  readonly #onPage: (page: EndpointPage) => void;
  readonly #pages: { readonly message: EndpointPage; readonly cells: Float64Array }[] = [];
  readonly #free: RowId[] = [];

  /** `onPage` is told of each new page before a row of it is handed out. */
  constructor(workers: number, onPage: (page: EndpointPage) => void) {
    this.#workers = workers;
    this.#onPage = onPage;
  }

  /** All pages so far, for a worker that starts later. */
  get pages(): readonly EndpointPage[] {
    return this.#pages.map(({ message }) => message);
  }

  /** A row of zeros. */
  allocate(): RowId {
    if (this.#free.length === 0) this.#addPage();
    return this.#free.pop() ?? { page: 0, row: 0 };
  }

  /** Takes back a row that no worker uses any more. */
  free(id: RowId): void {
    this.view(id, 0).clear();
    // Not `id` itself: callers hold rows as part of larger things, which must not come back with the row.
    this.#free.push({ page: id.page, row: id.row });
  }

  /** A row as `worker` writes it; reading sums over all workers. */
  view({ page, row }: RowId, worker: number): EndpointRow {
    const cells = this.#pages[page]?.cells ?? new Float64Array(0);
    return new EndpointRow(cells, row, worker, this.#workers);
  }

  /** A worker has died: forgets what it held and what was true of it alone. */
  clearWorker(id: RowId, worker: number): void {
    this.view(id, worker).clearOwnState();
    const slots = this.#pages[id.page]?.message.slots;
    if (slots === undefined) return;
    new EndpointSlots(new Int32Array(slots), id.row, worker, this.#workers).clearOwn();
  }

  #addPage(): void {
    const page = this.#pages.length;
    const buffer = newEndpointPage(this.#workers);
    const slots = newSlotPage(this.#workers);
    const message: EndpointPage = { type: "endpoint-page", page, buffer, slots };
    this.#pages.push({ message, cells: new Float64Array(buffer) });
    for (let row = ROWS_PER_PAGE - 1; row >= 0; row -= 1) this.#free.push({ page, row });
    this.#onPage(message);
  }
}
