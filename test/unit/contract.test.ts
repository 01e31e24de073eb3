/** v86 as the seam expects it: another version that lacks something is named in one plain sentence. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import ts from "typescript";
import { V86 } from "v86";
import { assertContract, CONTRACT, V86ContractError } from "../../src/machine/contract.ts";
import { Cpu } from "../../src/machine/cpu.ts";
import { loadWasm } from "../../src/node/wasm.ts";

const CONTRACT_FILE = new URL("../../src/machine/contract.ts", import.meta.url);

type Tree = { [key: string]: unknown };

/** A plain copy with nothing but what the contract names. */
function copy(emulator: unknown): Tree {
  const tree: Tree = {};
  for (const { path } of CONTRACT) {
    const keys = path.split(".");
    let [from, to] = [emulator as Tree, tree];
    for (const key of keys.slice(0, -1)) {
      from = from[key] as Tree;
      to = (to[key] ??= {}) as Tree;
    }
    to[keys.at(-1)!] = from[keys.at(-1)!];
  }
  return tree;
}

/** The object that holds the last key of a path, and that key. */
function holder(tree: Tree, path: string): [object: Tree, key: string] {
  const keys = path.split(".");
  const object = keys.slice(0, -1).reduce((inner, key) => inner[key] as Tree, tree);
  return [object, keys.at(-1)!];
}

describe("the contract with v86", () => {
  let emulator: V86;
  before(async () => {
    const wasm = await loadWasm();
    emulator = new V86({
      wasm_fn: async (imports: WebAssembly.Imports) => (await WebAssembly.instantiate(wasm, imports)).exports,
      memory_size: 16 << 20,
      vga_memory_size: 1 << 20,
      acpi: true,
      autostart: false,
    });
    await new Promise<void>((resolve) => emulator.add_listener("emulator-loaded", () => resolve()));
  });
  after(() => emulator.destroy());

  it("is kept by the version of v86 that is installed", () => {
    assertContract(emulator);
    assertContract(copy(emulator));
  });

  for (const { path, type, use } of CONTRACT) {
    it(`names ${path} when it is missing, or is no ${type}, in one sentence with its use`, () => {
      const other = { missing: undefined, changed: type === "function" ? {} : () => undefined };
      for (const [how, value] of Object.entries(other)) {
        const tree = copy(emulator);
        const [object, key] = holder(tree, path);
        if (how === "missing") Reflect.deleteProperty(object, key);
        else object[key] = value;
        assert.throws(
          () => assertContract(tree),
          (error) => {
            assert.ok(error instanceof V86ContractError);
            const found = how === "missing" ? "missing" : typeof value;
            assert.equal(
              error.message,
              `This version of v86 does not fit Ringside: ${path} is ${found} (expected: ${type}), which Ringside needs ${use}.`,
            );
            return true;
          },
        );
      }
    });
  }

  it("names everything when a whole part is missing", () => {
    const tree = copy(emulator);
    const v86 = tree["v86"] as Tree;
    delete v86["cpu"];
    const expected = CONTRACT.filter(({ path }) => path.startsWith("v86.cpu."));
    assert.throws(
      () => assertContract(tree),
      (error) => expected.every(({ path }) => (error as Error).message.includes(`${path} is missing`)),
    );
    assert.throws(() => assertContract(undefined), V86ContractError);
    assert.throws(() => assertContract({ v86: null }), V86ContractError);
  });

  it("can be checked in part, while v86 is still being built", () => {
    const tree = copy(emulator);
    const v86 = tree["v86"] as Tree;
    delete v86["cpu"];
    assertContract(tree, ["v86.init", "v86.yield"]);
    delete v86["init"];
    assert.throws(() => assertContract(tree, ["v86.init", "v86.yield"]), {
      name: "V86ContractError",
      message: /^This version of v86 does not fit Ringside: v86.init is missing [^.]*\.$/,
    });
  });

  it("lists every member of the types through which the seam touches v86", async () => {
    const source = ts.createSourceFile(
      "contract.ts",
      await readFile(CONTRACT_FILE, "utf8"),
      ts.ScriptTarget.Latest,
      true,
    );
    const interfaces = new Map<string, ts.InterfaceDeclaration>();
    source.forEachChild((node) => {
      if (ts.isInterfaceDeclaration(node)) interfaces.set(node.name.text, node);
    });
    const paths = (members: ts.NodeArray<ts.TypeElement>, prefix: string): string[] =>
      members.flatMap((member) => {
        if (ts.isIndexSignatureDeclaration(member)) return [`${prefix}0`];
        const path = `${prefix}${member.name!.getText(source)}`;
        const type = ts.isPropertySignature(member) ? member.type : undefined;
        if (type && ts.isTypeLiteralNode(type)) return paths(type.members, `${path}.`);
        const named = type && ts.isTypeReferenceNode(type) && interfaces.get(type.typeName.getText(source));
        return named ? paths(named.members, `${path}.`) : [path];
      });
    const touched = paths(interfaces.get("V86Emulator")!.members, "");
    assert.deepEqual(touched.sort(), CONTRACT.map(({ path }) => path).sort());
  });
});

describe("Cpu", () => {
  it("builds a stopped CPU with the memory that was asked for", async () => {
    const cpu = await Cpu.create({
      wasm: await loadWasm(),
      memory: 32 << 20,
      onSerial: () => undefined,
      onReset: () => undefined,
      onCrash: () => undefined,
    });
    assert.equal(cpu.memory.size, 32 << 20);
    assert.equal(cpu.memory.u8.length, 32 << 20);
    assert.equal(cpu.memory.u16.length, 16 << 20);
    assert.equal(cpu.memory.u32.length, 8 << 20);
    cpu.memory.load(0x1234, Uint8Array.of(1, 2, 3, 4));
    assert.equal(cpu.memory.u32[0x1234 / 4], 0x04030201);
    assert.throws(() => cpu.memory.load((32 << 20) - 1, Uint8Array.of(1, 2)), RangeError);
    assert.equal(cpu.running, false);
    assert.equal(cpu.inGuest, false);
    assert.throws(() => cpu.onBlock(0x100000, { read: () => 0, write: () => undefined }), RangeError);
    assert.throws(() => cpu.onBlock(0xc0001000, { read: () => 0, write: () => undefined }), RangeError);
    cpu.dispose();
    cpu.dispose();
  });

  it("refuses memory that is not to be had with a sentence", async () => {
    // More than v86 can address: it would give nothing, or less.
    for (const memory of [2 ** 33, 3 * 2 ** 30]) {
      await assert.rejects(
        Cpu.create({
          wasm: await loadWasm(),
          memory,
          onSerial: () => undefined,
          onReset: () => undefined,
          onCrash: () => undefined,
        }),
        { name: "RangeError", message: /could not be set up with (8192|3072) MiB of memory/ },
      );
    }
  });
});
