/** Disks attached and detached in the page: the machine changes, and so does its link. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Site, type WatchedPage, bootTimeout } from "./support.ts";

const link = "memory=96M&device=blk,id=home,store=memory,size=8M";
const data = "blk,id=data,size=16M";

describe("disks that come and go", { timeout: 4 * bootTimeout }, () => {
  let site: Site;
  let tab: WatchedPage;

  before(async () => {
    site = await Site.start();
    tab = await site.openFor(await site.visitor(), link);
    await tab.reaches("running");
  });
  after(() => site.dispose());

  const hash = (): string => new URL(tab.page.url()).hash;
  const attach = (text: string): Promise<string> =>
    tab.page.evaluate((disk) => window.ringside.attach(disk).then(() => "", String), text);
  const detach = (id: string, force = false): Promise<string> =>
    tab.page.evaluate(
      ([name, all]) => window.ringside.detach(name!, { force: all === "force" }).then(() => "", String),
      [id, force ? "force" : ""],
    );
  const disk = "/dev/$(grep -lx data /sys/block/vd*/serial | cut -d/ -f4)";

  it("an attached one is in the guest, in the address, and after a reload still there with its data", async () => {
    assert.equal(await attach(data), "");
    await tab.exec(`mkfs.ext4 -q ${disk} && mount -t ext4 ${disk} /mnt && echo kept >/mnt/note && sync`);
    assert.equal(hash(), `#${link}&device=${data}`);
    assert.equal(await tab.page.getByRole("dialog").count(), 0, "nobody is asked about the new link");
    await tab.page.reload();
    await tab.reaches("running");
    assert.equal(await tab.exec(`mount -t ext4 ${disk} /mnt && cat /mnt/note`), "kept");
  });

  it("one in use stays, with the reason; later it goes, from the address too", async () => {
    assert.match(await detach("data"), /The guest uses the disk "data": vd[ab] is mounted at \/mnt/);
    assert.equal(hash(), `#${link}&device=${data}`);
    await tab.exec("umount /mnt");
    assert.equal(await detach("data"), "");
    assert.equal(hash(), `#${link}`);
    assert.equal(await tab.exec("cat /sys/block/vd*/serial"), "home");
  });

  it("what is no disk, or cannot be had, is said in a sentence and changes nothing", async () => {
    assert.match(await attach("blk,id=home"), /There is a disk "home" already/);
    assert.match(await attach("blk,store=file,path=/x"), /which a browser does not have/);
    assert.match(await attach("blk,id=x,store=memory,transport=mmio"), /nothing tells a running guest/);
    assert.match(await detach("nothing"), /There is no disk "nothing"/);
    assert.equal(hash(), `#${link}`);
  });

  it("one that another tab has is not attached until that one lets go", async () => {
    assert.equal(await attach(data), "");
    const other = await site.openFor(tab.page.context(), link);
    await other.reaches("running");
    const there = (text: string): Promise<string> =>
      other.page.evaluate((name) => window.ringside.attach(name).then(() => "", String), text);
    assert.match(await there(data), /data.* (in use|open)/i);
    assert.equal(await detach("data"), "");
    assert.equal(await there(data), "");
    assert.match(await other.exec("cat /sys/block/vd*/serial"), /data/);
    await other.close();
  });
});
