/** Stands for this page in what the browser's locks say of who has a disk open. */
export const TAB = Math.random().toString(36).slice(2);
