import { expect, test } from "bun:test";
import fc from "fast-check";
import { generationOf, GENERATIONS, networkOf, NO_TICKET, slotOf, ticketOf } from "./ticket.ts";

test("a ticket holds what was taken, and is never the one for nothing", () => {
  const generation = fc.nat(GENERATIONS - 1);
  const slot = fc.nat(2 ** 26 - 1);
  const network = fc.integer({ min: -1, max: 2 ** 20 - 2 });
  fc.assert(
    fc.property(generation, slot, network, (of, taken, block) => {
      fc.pre(taken > 0 || block >= 0);
      const ticket = ticketOf(of, taken, block);
      expect([generationOf(ticket), slotOf(ticket), networkOf(ticket)]).toEqual([of, taken, block]);
      expect(Number.isSafeInteger(ticket) && ticket !== NO_TICKET).toBe(true);
    }),
  );
});
