/** What a recipe is given and what it must leave behind. */
import type { PrivateApt } from "./apt/private-apt.ts";
import type { Progress } from "./progress.ts";

export interface Recipe {
  /** The image's name: its folder under public/images/ and images/. */
  name: string;
  /** Debian's release and architecture that its packages are of. */
  release: string;
  architecture: string;
  make(build: Build): Promise<void>;
}

export interface Build {
  apt: PrivateApt;
  /** Resolve and download the packages anew, even if those of the last build are still there. */
  refresh: boolean;
  progress: Progress;
  /** The recipe's own folder: its root file system, its licences. */
  recipeFolder: string;
  /** An empty folder; what is in it at the end becomes public/images/NAME. */
  publicFolder: string;
  /** .cache/images/NAME: kept between builds, not served. */
  cacheFolder: string;
  /** An empty folder that is removed at the end. */
  scratchFolder: string;
}
