import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { dependencies, parseControl, sources } from "../../images/apt/control.ts";
import { ImageBuildError } from "../../images/errors.ts";
import {
  debianMirrors,
  mirrorsFromEnvironment,
  parseDeb822,
  parseOneLine,
  writeSources,
} from "../../images/apt/sources.ts";

describe("apt's sources", () => {
  it("are read from lines", () => {
    const text = [
      "# deb http://commented.example/debian bookworm main",
      "deb http://one.example/debian bookworm main contrib # the mirror next door",
      "  deb [arch=amd64 signed-by=/usr/share/keyrings/other.gpg]  http://two.example/x stable main",
      "deb-src http://three.example/debian bookworm main",
      "deb http://flat.example/repo ./",
      "nonsense",
      "",
    ].join("\n");
    assert.deepEqual(parseOneLine(text), [
      {
        uri: "http://one.example/debian",
        suites: ["bookworm"],
        components: ["main", "contrib"],
        signedBy: undefined,
      },
      {
        uri: "http://two.example/x",
        suites: ["stable"],
        components: ["main"],
        signedBy: "/usr/share/keyrings/other.gpg",
      },
      { uri: "http://flat.example/repo", suites: ["./"], components: [], signedBy: undefined },
    ]);
  });

  it("are read from stanzas", () => {
    const text = `# comment
Types: deb deb-src
URIs: http://one.example/debian
# a comment inside
  http://two.example/debian/
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main

types: deb
uris: http://inline.example/debian
suites: bookworm
components: main
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
`;
    const suites = ["bookworm", "bookworm-updates"];
    const signedBy = "/usr/share/keyrings/debian-archive-keyring.gpg";
    assert.deepEqual(parseDeb822(text), [
      { uri: "http://one.example/debian", suites, components: ["main"], signedBy },
      { uri: "http://two.example/debian/", suites, components: ["main"], signedBy },
      {
        uri: "http://inline.example/debian",
        suites: ["bookworm"],
        components: ["main"],
        signedBy: undefined,
      },
    ]);
  });

  it("give Debian's mirrors, whatever the release, and no others", () => {
    const text = [
      "deb http://one.example/debian/ trixie main",
      "deb http://one.example/debian trixie-updates main",
      "deb http://sec.example/debian-security trixie-security main",
      "deb http://old.example/debian-security buster/updates main",
      "deb http://contrib.example/debian bookworm contrib",
      "deb [signed-by=/etc/apt/keyrings/vendor.gpg] http://vendor.example/debian bookworm main",
      "deb http://other.example/apt bookworm-pgdg main",
      "deb http://flat.example/repo ./",
    ].join("\n");
    assert.deepEqual(debianMirrors(parseOneLine(text)), {
      archive: ["http://one.example/debian"],
      security: ["http://sec.example/debian-security"],
    });
  });

  it("can be named in the environment", () => {
    assert.deepEqual(mirrorsFromEnvironment("http://m.example/debian/"), {
      archive: ["http://m.example/debian"],
      security: ["http://m.example/debian-security"],
    });
    assert.deepEqual(mirrorsFromEnvironment(" file:/srv/debian https://s.example/sec "), {
      archive: ["file:/srv/debian"],
      security: ["https://s.example/sec"],
    });
    for (const bad of [
      " ",
      "m.example/debian",
      "ssh://m.example/x",
      "http://a/ http://b/ http://c/",
      "http:/[x]",
    ])
      assert.throws(() => mirrorsFromEnvironment(bad), ImageBuildError, bad);
  });

  it("of ours are for one release and architecture, and name the keyring", () => {
    const options = { release: "bookworm", architecture: "i386", keyring: "/keys.gpg" };
    const written = writeSources(
      { archive: ["http://a.example/debian", "http://b.example/debian"], security: ["http://s.example/sec"] },
      options,
    );
    const common = { components: ["main"], signedBy: "/keys.gpg" };
    const suites = ["bookworm", "bookworm-updates"];
    assert.deepEqual(parseDeb822(written), [
      { uri: "http://a.example/debian", suites, ...common },
      { uri: "http://b.example/debian", suites, ...common },
      { uri: "http://s.example/sec", suites: ["bookworm-security"], ...common },
    ]);
    assert.equal(written.match(/^Architectures: i386$/gm)?.length, 2);
    assert.doesNotMatch(writeSources({ archive: ["file:/x"], security: [] }, options), /security/);
  });
});

describe("what apt says of packages", () => {
  const [kernel, busybox] = parseControl(`Package: linux-image-6.1.0-50-686
Source: linux-signed-i386 (6.1.176+1)
Version: 6.1.176-1
Depends: kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool
Pre-Depends: dpkg:any
Built-Using: linux (= 6.1.176-1)
Description: the kernel
 in two lines

Package: busybox-static
Version: 1:1.35.0-4+deb12u1+b1
Source: busybox (1:1.35.0-4+deb12u1)
Built-Using: glibc (= 2.36-9), other (= 1:2~3)
`);

  it("gives the sources, and what was linked in", () => {
    assert.deepEqual(sources(kernel!), {
      source: { name: "linux-signed-i386", version: "6.1.176+1" },
      builtUsing: [{ name: "linux", version: "6.1.176-1" }],
    });
    assert.deepEqual(sources(busybox!), {
      source: { name: "busybox", version: "1:1.35.0-4+deb12u1" },
      builtUsing: [
        { name: "glibc", version: "2.36-9" },
        { name: "other", version: "1:2~3" },
      ],
    });
    assert.deepEqual(
      sources(
        new Map([
          ["Package", "kmod"],
          ["Version", "30"],
        ]),
      ),
      {
        source: { name: "kmod", version: "30" },
        builtUsing: [],
      },
    );
  });

  it("gives what a package depends on, and which version where only one will do", () => {
    const names = dependencies(kernel!).map(({ name }) => name);
    assert.deepEqual(names, ["kmod", "linux-base", "initramfs-tools", "linux-initramfs-tool", "dpkg"]);
    assert.deepEqual(dependencies(busybox!), []);
    const depends = "binutils-common (= 2.40-2), libc6 (>= 2.36) | other:any (=1:2~3)";
    assert.deepEqual(dependencies(new Map([["Depends", depends]])), [
      { name: "binutils-common", exactly: "2.40-2" },
      { name: "libc6", exactly: undefined },
      { name: "other", exactly: "1:2~3" },
    ]);
  });

  it("keeps the lines of a long field", () => {
    assert.equal(kernel!.get("Description"), "the kernel\n in two lines");
  });
});
