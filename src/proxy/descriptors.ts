// The descriptors that one worker's sessions may hold. When they run out nobody accepts, so that the system's limit
// is never hit: at the limit an accept fails without an event, and the event loop spins (docs/internals/bun.md).

/** Is told when descriptors run out, and when some are free again. */
export interface DescriptorUser {
  onDescriptorsOut(): void;
  onDescriptorsFree(): void;
}

/** Counts descriptors of sessions; two each. */
export class Descriptors {
  #limit = 0;
  #resumeAt = 0;
  readonly #users = new Set<DescriptorUser>();
  #used = 0;
  #out = false;

  /** `limit` is at least 2. */
  constructor(limit: number) {
    this.setLimit(limit);
  }

  /** From now on this is the limit, at least 2. */
  setLimit(limit: number): void {
    this.#limit = limit;
    // Some are freed before accepting goes on, so that it does not stop and start with every connection.
    this.#resumeAt = limit - Math.max(2, Math.min(64, limit >> 3));
    if (!this.#out && this.#used + 2 > limit) this.#runOut();
    else if (this.#out && this.#used <= this.#resumeAt) this.#free();
  }

  /** Whether a session more would be too many. */
  get out(): boolean {
    return this.#out;
  }

  subscribe(user: DescriptorUser): void {
    this.#users.add(user);
  }

  unsubscribe(user: DescriptorUser): void {
    this.#users.delete(user);
  }

  /** Takes the two of a session. */
  take(): void {
    this.#used += 2;
    if (this.#out || this.#used + 2 <= this.#limit) return;
    this.#runOut();
  }

  /** Gives the two of a session back. */
  give(): void {
    this.#used -= 2;
    if (!this.#out || this.#used > this.#resumeAt) return;
    this.#free();
  }

  #runOut(): void {
    this.#out = true;
    for (const user of this.#users) user.onDescriptorsOut();
  }

  #free(): void {
    this.#out = false;
    for (const user of this.#users) user.onDescriptorsFree();
  }
}
