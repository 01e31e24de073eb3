import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { INSTALL, LIBRARY, baseText } from "./guest.ts";
import { Ledger, Loss } from "./ledger.ts";
import type { Lab, Victim } from "./victim.ts";

export interface Figures {
  kills: number;
  /** Of these, while the disks were being checked, not worked on. */
  early: number;
  /** Blocks that were logged as synced, on both disks. */
  logged: number;
  /** Times that a logged block or file was read back after a kill. */
  verified: number;
}

/** Blocks that the guest writes for each command. */
const BATCH = 4;

/** Milliseconds of work before a kill, at most. */
const LONGEST_WORK = 5000;

/** Every so many kills, one comes while the disks are opened and checked. */
const EARLY_EVERY = 5;

/**
 * Has a guest write, and kills it, so many times; after each kill everything that was logged as synced has to be there, and the
 * file systems have to be in order. Throws a Loss when that is not so.
 */
export async function runKills(
  lab: Lab,
  kills: number,
  onRound: (round: number, figures: Figures) => void = () => undefined,
): Promise<Figures> {
  const ledgers = [new Ledger("plain"), new Ledger("over")];
  const figures: Figures = { kills: 0, early: 0, logged: 0, verified: 0 };
  await prepare(lab, ledgers);
  while (figures.kills < kills) {
    if (figures.kills % EARLY_EVERY === EARLY_EVERY - 1) {
      await killEarly(lab, ledgers);
      figures.early++;
    } else {
      const victim = await lab.start();
      figures.verified += await verify(victim, ledgers);
      await workUntilKilled(victim, ledgers);
    }
    figures.kills++;
    figures.logged = ledgers.reduce((sum, { logged }) => sum + logged, 0);
    onRound(figures.kills, figures);
  }
  const last = await lab.start();
  figures.verified += await verify(last, ledgers);
  await last.kill();
  return figures;
}

/** Makes the file systems. */
async function prepare(lab: Lab, ledgers: readonly Ledger[]): Promise<void> {
  const victim = await lab.start();
  try {
    await must(victim, INSTALL);
    await must(victim, `. ${LIBRARY}; make plain && check over`);
    for (const ledger of ledgers) {
      const first = ledger.begin(BATCH);
      await must(victim, `. ${LIBRARY}; work ${ledger.disk} ${first} ${BATCH}`);
      ledger.log(first, BATCH);
    }
  } finally {
    await victim.kill();
  }
}

async function verify(victim: Victim, ledgers: readonly Ledger[]): Promise<number> {
  let verified = 0;
  await must(victim, INSTALL);
  for (const ledger of ledgers) {
    await must(victim, `. ${LIBRARY}; check ${ledger.disk}`);
    verified += ledger.verify(await must(victim, `. ${LIBRARY}; dump ${ledger.disk}`));
  }
  const expected = createHash("md5").update(baseText()).digest("hex");
  const found = (await must(victim, "md5sum </mnt/over/text")).slice(0, 32);
  if (found !== expected) throw new Loss("What the base holds reads differently through the disk over it.");
  return verified;
}

/** Kills the victim some time during what it does first: replaying journals, checking, giving back blocks. */
async function killEarly(lab: Lab, ledgers: readonly Ledger[]): Promise<void> {
  const victim = await lab.start();
  let killed = false;
  const ends = verify(victim, ledgers)
    .then(() => must(victim, "fstrim /mnt/plain; fstrim /mnt/over"))
    .catch((error: unknown) => {
      if (!killed || error instanceof Loss) throw error;
    });
  await Promise.race([ends, sleep(Math.random() * LONGEST_WORK)]);
  killed = true;
  await victim.kill();
  await ends;
}

/** Works on all disks at once. */
async function workUntilKilled(victim: Victim, ledgers: readonly Ledger[]): Promise<void> {
  let killed = false;
  const isKilled = (): boolean => killed;
  const work = async (ledger: Ledger): Promise<void> => {
    try {
      while (!isKilled()) {
        const first = ledger.begin(BATCH);
        await must(victim, `. ${LIBRARY}; work ${ledger.disk} ${first} ${BATCH}`);
        ledger.log(first, BATCH);
      }
    } catch (error) {
      if (!isKilled()) throw error;
    }
  };
  const ends = Promise.all(ledgers.map(work));
  await Promise.race([ends, sleep(200 + Math.random() * LONGEST_WORK)]);
  killed = true;
  await victim.kill();
  await ends;
}

async function must(victim: Victim, command: string): Promise<string> {
  const { status, stdout } = await victim.exec(command);
  if (status === 0) return stdout;
  throw new Loss(`"${command.slice(0, 100)}" ended with ${status}: ${stdout.slice(-4000)}`);
}
