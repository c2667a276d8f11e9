// What a session has taken of its server's limits, in one number: an object would cost each session its memory.
import type { Slot } from "./source-table.ts";

// The slot of the source, the network (or none), and which limits they are of: 26, 20 and 7 bits.
const SLOTS = 2 ** 26;
const NETWORKS = 2 ** 20;
/** Limits that are told apart; after as many changes an old session may be taken for a newer one. */
export const GENERATIONS = 2 ** 7;

/** Sessions with this ticket have taken nothing. */
export const NO_TICKET = 0;

/** A ticket. `network` may be -1, for none; a `slot` of 0 is none. */
export function ticketOf(generation: number, slot: Slot, network: number): number {
  return (generation * NETWORKS + network + 1) * SLOTS + slot;
}

export function slotOf(ticket: number): Slot {
  return ticket % SLOTS;
}

export function networkOf(ticket: number): number {
  return (Math.floor(ticket / SLOTS) % NETWORKS) - 1;
}

export function generationOf(ticket: number): number {
  return Math.floor(ticket / (SLOTS * NETWORKS));
}
