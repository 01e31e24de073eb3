/** The process that file-lab.ts kills: a machine whose guest runs the commands that come as messages. */
import { openMachine } from "../../src/node/index.ts";

export interface Question {
  number: number;
  command: string;
}

export interface Answer {
  number: number;
  status: number;
  stdout: string;
}

const config = process.argv[2]!;
const machine = openMachine(config, { onMessage: (level, text) => console.error(`${level}: ${text}`) });

process.on("message", (question: Question) => void answer(question));
process.on("disconnect", () => process.exit(1));

async function answer({ number, command }: Question): Promise<void> {
  const { status, stdout, stderr } = await (await machine).run(command);
  const reply: Answer = { number, status, stdout: status === 0 ? stdout : stdout + stderr };
  process.send!(reply);
}
