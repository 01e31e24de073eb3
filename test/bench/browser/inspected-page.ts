import type { Browser, Page } from "playwright-core";
import { withOurPage } from "./boot.ts";

/** What a person has in front of them: no inspector, or one of its views by the name of its tab. */
export type Sight = "closed" | "Rings" | "Devices" | "Time" | "Numbers";

/** Frames of the page over some time, as requestAnimationFrame tells of them. */
export interface Frames {
  /** A second. */
  rate: number;
  /** Milliseconds. */
  mean: number;
  worst: number;
}

/** Seconds that a command took, and the page's frames meanwhile. */
export interface Watched {
  seconds: number;
  frames: Frames;
}

/** What the recorder says of itself where a person can read it. */
export interface RecorderFigures {
  /** Events since the inspector was opened. */
  events: number;
  dropped: number;
  /** The sentence itself. */
  said: string;
}

/** A guest in the built page, and the inspector as a person opens, turns and closes it. */
export class InspectedPage {
  readonly page: Page;
  readonly exec: (command: string) => Promise<string>;

  /** Opens the page in a fresh profile, and ends it after `work`. */
  static in<T>(browser: Browser, link: string, work: (page: InspectedPage) => Promise<T>): Promise<T> {
    return withOurPage(browser, link, async (guest) => {
      await guest.page.setViewportSize({ width: 1440, height: 900 });
      // tsx wraps named functions in this helper, also those that go to the page.
      await guest.page.evaluate("globalThis.__name = (value) => value");
      return work(new InspectedPage(guest.page, (command) => guest.exec(command)));
    });
  }

  private constructor(page: Page, exec: (command: string) => Promise<string>) {
    this.page = page;
    this.exec = exec;
  }

  async look(sight: Sight): Promise<void> {
    const { page } = this;
    const inspector = page.locator("#inspector");
    const isOpen = (await inspector.count()) > 0;
    if (sight === "closed") {
      if (isOpen) await page.getByRole("button", { name: "Close the inspector", exact: true }).click();
      await inspector.waitFor({ state: "detached" });
      return;
    }
    if (!isOpen) await page.getByRole("button", { name: "Inspect", exact: true }).click();
    await inspector.getByRole("tab", { name: sight, exact: true }).click();
    await inspector.getByRole("tab", { name: sight, exact: true, selected: true }).waitFor();
  }

  /** Seconds that a command takes. */
  time(command: string): Promise<number> {
    return this.page.evaluate(async (text) => {
      const begun = performance.now();
      const { status, stderr } = await window.ringside.exec(text);
      if (status !== 0) throw new Error(`"${text}" ended with status ${status}: ${stderr}`);
      return (performance.now() - begun) / 1000;
    }, command);
  }

  /** Runs a command in a page that draws all the while, as one where something moves. */
  async watch(command: string): Promise<Watched> {
    const frames = this.page.evaluate(
      () =>
        new Promise<number[]>((resolve) => {
          const moments: number[] = [];
          const drawn = (moment: number): void => {
            moments.push(moment);
            if (document.body.dataset["watched"] === undefined) resolve(moments);
            else requestAnimationFrame(drawn);
          };
          document.body.dataset["watched"] = "";
          requestAnimationFrame(drawn);
        }),
    );
    const seconds = await this.time(command);
    await this.page.evaluate(() => delete document.body.dataset["watched"]);
    return { seconds, frames: framesOf(await frames) };
  }

  /** The guest stands still, or goes on: pages that are measured in turns must not disturb each other. */
  pause(): Promise<void> {
    return this.page.evaluate(() => window.ringside.pause());
  }

  async resume(): Promise<void> {
    await this.page.evaluate(() => window.ringside.resume());
    // It has missed timer ticks, and works them off.
    await this.exec("usleep 200000");
  }

  /** As the view Numbers has it. What it counts lags behind by a tenth of a second. */
  async recorder(): Promise<RecorderFigures> {
    await this.look("Numbers");
    await this.page.waitForTimeout(500);
    const said = await this.page.locator(".numbers-recorder").innerText();
    const [, kept, dropped] = /([\d,]+) events kept, ([\d,]+) older/.exec(said) ?? [];
    if (kept === undefined || dropped === undefined) throw new Error(`The recorder says: ${said}`);
    const number = (text: string): number => Number(text.replaceAll(",", ""));
    return { events: number(kept) + number(dropped), dropped: number(dropped), said };
  }
}

function framesOf(moments: readonly number[]): Frames {
  const lengths = moments.slice(1).map((moment, before) => moment - moments[before]!);
  if (lengths.length === 0) throw new Error("The page drew no frame.");
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  return { rate: 1000 / mean, mean, worst: Math.max(...lengths) };
}
