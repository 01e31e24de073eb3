/** The images that can be made. A new one is a folder with its recipe, and one line here. */
import { debianBusybox } from "./debian-busybox/recipe.ts";
import { debian } from "./debian/recipe.ts";
import { debianBusyboxMmioCmdline } from "./debian-busybox-mmio-cmdline/recipe.ts";
import { ImageBuildError } from "./errors.ts";
import type { Recipe } from "./recipe.ts";

const RECIPES: readonly Recipe[] = [debianBusybox, debianBusyboxMmioCmdline, debian];

export const imageNames: readonly string[] = RECIPES.map((recipe) => recipe.name);

/** Those that are made unless others are asked for. */
export const usualImages: readonly string[] = RECIPES.filter(
  ({ onRequest, option }) => !onRequest && !option,
).map(({ name }) => name);

/** The options of `npm run images` that ask for an image more, and that image. */
export const imageOptions: ReadonlyMap<string, string> = new Map(
  RECIPES.flatMap(({ option, name }) => (option ? [[option, name] as const] : [])),
);

/** Throws an ImageBuildError that lists the known names for an unknown one. */
export function findRecipe(name: string): Recipe {
  const recipe = RECIPES.find((each) => each.name === name);
  if (recipe) return recipe;
  throw new ImageBuildError(
    `There is no image "${name}". Images that can be made: ${imageNames.join(", ")}.`,
  );
}
