// The writing side of bench/stamps.py for Node. There is no mmap here, and a write per job would be charged to the peer: the
// stamps stay in memory and are written every few milliseconds. They carry the time of the job, not of the writing.
import fs from "node:fs";

const folder = process.env.BENCH_STAMPS;
const stamps = new BigUint64Array(Number(process.env.BENCH_JOBS));
let file;
let changed = false;

export function mark(job) {
  stamps[job] = process.hrtime.bigint();
  changed = true;
}

setInterval(() => {
  if (!changed) return;
  file ??= fs.openSync(`${folder}/${process.pid}-${process.hrtime.bigint()}`, "wx");
  changed = false;
  fs.writeSync(file, new Uint8Array(stamps.buffer), 0, stamps.byteLength, 0);
}, 5);
