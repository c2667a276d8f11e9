import { expect, test } from "bun:test";
import fc from "fast-check";
import { networkOf, NO_TICKET, slotOf, ticketOf } from "./ticket.ts";

test("a ticket holds what was taken, and is never the one for nothing", () => {
  const slot = fc.nat(2 ** 30 - 1);
  const network = fc.integer({ min: -1, max: 2 ** 23 - 2 });
  fc.assert(
    fc.property(slot, network, (taken, block) => {
      fc.pre(taken > 0 || block >= 0);
      const ticket = ticketOf(taken, block);
      expect([slotOf(ticket), networkOf(ticket)]).toEqual([taken, block]);
      expect(Number.isSafeInteger(ticket) && ticket !== NO_TICKET).toBe(true);
    }),
  );
});
