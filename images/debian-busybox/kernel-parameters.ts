/** The guest kernel's command line, each parameter with its reason. Times were measured on v86's CPU. */
export const kernelParameters: readonly { parameter: string; reason: string }[] = [
  {
    parameter: "earlyprintk=serial,ttyS0,115200",
    reason: "the first messages come over the serial port; it falls silent when hvc0 takes over",
  },
  { parameter: "console=hvc0", reason: "messages and login on the virtio console" },
  { parameter: "cryptomgr.notests", reason: "no self-tests of every cipher: saves 3.5 s" },
  {
    // May be given again on the same command line: the lists add up.
    parameter: "initcall_blacklist=init_kprobe_trace,crypto_kdf108_init,blake2s_mod_init",
    reason:
      "no events by kprobes, which saves 1.2 s; the other two only test themselves, 5 million instructions",
  },
  { parameter: "noisapnp", reason: "no search for ISA plug-and-play cards: saves 0.5 s" },
  { parameter: "tsc=reliable", reason: "the TSC is the host's clock; no watchdog compares it with another" },
  {
    parameter: "mitigations=off",
    reason: "the CPU speculates nothing; the work-arounds only cost instructions",
  },
  {
    parameter: "random.trust_cpu=on",
    reason: "RDRAND is the host's random source: nothing waits for entropy at boot",
  },
];
