// Which workers bear too much, and whether the process has too much memory: flags that all threads see.

const MEMORY = 0;
const WORKERS = 1;

export function newOverloadBoard(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer((WORKERS + workers) * 4);
}

export class OverloadBoard {
  readonly #flags: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#flags = new Int32Array(buffer);
  }

  /** Whether the process has more memory than it may: written by the control thread. */
  get memory(): boolean {
    return this.#flags[MEMORY] === 1;
  }

  set memory(is: boolean) {
    this.#flags[MEMORY] = is ? 1 : 0;
  }

  /** Whether a worker's event loop lags: written by that worker, and by the control thread after its death. */
  setLagging(worker: number, is: boolean): void {
    this.#flags[WORKERS + worker] = is ? 1 : 0;
  }

  /** Whether no worker is left that could serve a new connection in good time. */
  get allLag(): boolean {
    for (let at = WORKERS; at < this.#flags.length; at += 1)
      if (this.#flags[at] === 0) return false;
    return true;
  }
}
