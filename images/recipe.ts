/** What a recipe is given and what it must leave behind. */
import type { PrivateApt } from "./apt/private-apt.ts";
import type { Progress } from "./progress.ts";

export interface Recipe {
  /** The image's name: its folder under public/images/ and images/. */
  name: string;
  /** Debian's release and architecture that its packages are of. */
  release: string;
  architecture: string;
  /** Only made when it is asked for: by its name ... */
  onRequest?: true;
  /** ... or also by this option of `npm run images`. */
  option?: string;
  /**
   * Beginnings of the paths of files, among those that it leaves behind, that are only looked at for their size when the image is
   * checked: there are hundreds of megabytes, and whoever reads them checks their content.
   */
  checkedOnUse?: readonly string[];
  make(build: Build): Promise<void>;
}

export interface Build {
  apt: PrivateApt;
  /** The same for programs that run during the build: of the architecture of this machine. */
  toolsApt(): Promise<PrivateApt>;
  /** Resolve and download the packages anew, even if those of the last build are still there. */
  refresh: boolean;
  progress: Progress;
  /** The image's name. */
  name: string;
  /** An empty folder; what is in it at the end becomes public/images/NAME. */
  publicFolder: string;
  /** .cache/images/NAME: kept between builds, not served. */
  cacheFolder: string;
  /** An empty folder that is removed at the end. */
  scratchFolder: string;
}
