import { testHalf } from "./half.ts";

await testHalf(0);
