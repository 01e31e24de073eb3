/** The inspector's views that a lesson may bring up, by their ids in ../inspect/parts/views.tsx. */
export const LESSON_TABS: readonly string[] = ["rings", "devices", "time", "numbers", "account", "lessons"];
