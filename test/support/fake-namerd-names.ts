// What the names of FakeNamerd stand for, and the values that tell it, as namerd writes them.

export interface FakeAddress {
  readonly ip: string;
  readonly port: number;
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** What a name stands for. `pending`: nothing is answered until something else is set. */
export type FakeAnswer =
  | {
      readonly type: "bound";
      readonly addrs: readonly FakeAddress[];
      readonly meta?: Readonly<Record<string, unknown>>;
    }
  | { readonly type: "neg" }
  | { readonly type: "failed"; readonly cause?: string }
  | { readonly type: "pending" };

/** What a name is bound to. The addresses of a leaf are those of its id. */
export type FakeTree =
  | { readonly type: "leaf"; readonly id: string }
  | {
      readonly type: "union";
      readonly union: readonly { readonly weight: number; readonly tree: FakeTree }[];
    }
  | { readonly type: "neg" | "fail" | "empty" };

/** What a request asks, with what is remembered for its stream. */
export interface Question {
  /** `bind`, `addr` or `resolve`. */
  readonly call: string;
  readonly namespace: string;
  readonly path: string;
  /** The branch that `resolve` drew, and of which tree. */
  drawn: { readonly tree: FakeTree; readonly id: string | undefined } | undefined;
}

/** A value; `key` is what must differ for it to be told again. */
export interface FakeValue {
  readonly key: string;
  readonly line: string;
}

/** Before the path of a name that has addresses and no tree: the id that it is bound to. */
export const FAKE_NAMER = "/#/fake";

/** The names of all namespaces. */
export class FakeNames {
  readonly #answers = new Map<string, FakeAnswer>();
  readonly #trees = new Map<string, FakeTree>();
  #draws = 0;

  setAddresses(namespace: string, name: string, answer: FakeAnswer): void {
    this.#answers.set(keyOf(namespace, name), answer);
  }

  setTree(namespace: string, name: string, tree: FakeTree): void {
    this.#trees.set(keyOf(namespace, name), tree);
  }

  /** The value at present; undefined while it is pending. */
  valueOf(question: Question): FakeValue | undefined {
    const { call, namespace, path } = question;
    const addressesOf = (id: string): FakeAnswer => this.#addressesOf(namespace, id);
    const tree = this.#treeOf(namespace, path);
    if (call === "addr") return addressValue(addressesOf(path));
    if (call === "bind") {
      const json = treeJson(tree, addressesOf);
      // Trees are the same when their ids are, whatever the addresses.
      return json && { key: JSON.stringify(tree), line: `${JSON.stringify(json)}\n` };
    }
    const id = this.#draw(question, tree);
    return addressValue(id === undefined ? { type: "neg" } : addressesOf(id));
  }

  #treeOf(namespace: string, path: string): FakeTree {
    const tree = this.#trees.get(keyOf(namespace, path));
    if (tree !== undefined) return tree;
    const answer = this.#answers.get(keyOf(namespace, path));
    if (answer === undefined || answer.type === "neg") return { type: "neg" };
    return { type: "leaf", id: path.startsWith("/#/") ? path : `${FAKE_NAMER}${path}` };
  }

  #addressesOf(namespace: string, id: string): FakeAnswer {
    // A name that is not bound has no addresses.
    if (!id.startsWith("/#/")) return { type: "neg" };
    const name = id.startsWith(FAKE_NAMER) ? id.slice(FAKE_NAMER.length) : id;
    return this.#answers.get(keyOf(namespace, name)) ?? { type: "neg" };
  }

  /** A stream keeps what it drew while the tree is the same. Each request draws anew: here the branches in turn. */
  #draw(question: Question, tree: FakeTree): string | undefined {
    if (!Bun.deepEquals(question.drawn?.tree, tree)) {
      const ids = idsOf(tree);
      if (ids.length > 1) this.#draws += 1;
      question.drawn = { tree, id: ids[this.#draws % ids.length] };
    }
    return question.drawn?.id;
  }
}

function addressValue(answer: FakeAnswer): FakeValue | undefined {
  if (answer.type === "pending") return undefined;
  const line = `${JSON.stringify(addrJson(answer))}\n`;
  return { key: line, line };
}

/** An answer with its keys in namerd's order. */
function addrJson(answer: FakeAnswer): object {
  if (answer.type !== "bound") return answer;
  const { type, addrs, meta = {} } = answer;
  const full = addrs.map((addr) => ({ ip: addr.ip, port: addr.port, meta: addr.meta ?? {} }));
  return { type, addrs: full, meta };
}

/** A tree with its keys in namerd's order; `addressesOf` an id, undefined while they are pending, as the whole is then. */
function treeJson(tree: FakeTree, addressesOf: (id: string) => FakeAnswer): object | undefined {
  switch (tree.type) {
    case "neg":
    case "fail":
    case "empty":
      return tree;
    case "leaf": {
      const { type, id } = tree;
      const answer = addressesOf(id);
      if (answer.type === "pending") return undefined;
      return { type, bound: { addr: addrJson(answer), id, path: "/" } };
    }
    case "union": {
      const union: object[] = [];
      for (const { weight, tree: branch } of tree.union) {
        const json = treeJson(branch, addressesOf);
        if (json === undefined) return undefined;
        union.push({ weight, tree: json });
      }
      return { type: tree.type, union };
    }
    default:
      return tree satisfies never;
  }
}

function idsOf(tree: FakeTree): string[] {
  if (tree.type === "leaf") return [tree.id];
  return tree.type === "union" ? tree.union.flatMap((branch) => idsOf(branch.tree)) : [];
}

function keyOf(namespace: string, name: string): string {
  return `${namespace} ${name}`;
}
