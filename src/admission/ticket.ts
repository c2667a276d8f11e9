// What a session has taken of its server's limits, in one number: an object would cost each session its memory.
import type { Slot } from "./source-table.ts";

// The slot of the source, and the network (or none): 30 and 23 bits.
const SLOTS = 2 ** 30;

/** Sessions with this ticket have taken nothing. */
export const NO_TICKET = 0;

/** In place of the address of a client that has reset its connection: the system tells none any more. */
export const GONE = "";

/** What is kept for a session until it ends. */
export interface Taken {
  ticket: number;
  /** Which counts the ticket is of. Of its own: a few bits of the ticket would come to mean other counts one day. */
  generation: number;
}

/** A ticket. `network` may be -1, for none; a `slot` of 0 is none. */
export function ticketOf(slot: Slot, network: number): number {
  return (network + 1) * SLOTS + slot;
}

export function slotOf(ticket: number): Slot {
  return ticket % SLOTS;
}

export function networkOf(ticket: number): number {
  return Math.floor(ticket / SLOTS) - 1;
}
