// bench/produce.py for BullMQ: enqueues as the JSON of the first argument says, and answers with one line of JSON.
import { setTimeout as sleep } from "node:timers/promises";
import { Queue } from "bullmq";
import { connection, QUEUE } from "./connection.mjs";

const spec = JSON.parse(process.argv[2]);
const pad = "x".repeat(Math.max(0, spec.size - JSON.stringify({ i: 1_000_000, pad: "" }).length));
const queue = new Queue(QUEUE, { connection });
await queue.waitUntilReady();

const jobs = Array.from({ length: spec.jobs }, (_, place) => ({ name: "work", data: { i: spec.first + place, pad } }));
const seconds = (begun) => Number(process.hrtime.bigint() - begun) / 1e9;

const does = {
  async bulk() {
    const begun = process.hrtime.bigint();
    for (let start = 0; start < jobs.length; start += spec.batch)
      await queue.addBulk(jobs.slice(start, start + spec.batch));
    return { seconds: seconds(begun) };
  },
  async single() {
    const begun = process.hrtime.bigint();
    for (const { name, data } of jobs) await queue.add(name, data);
    return { seconds: seconds(begun) };
  },
  async paced() {
    const sent_ns = [];
    for (const { name, data } of jobs) {
      await sleep(spec.interval * 1000);
      sent_ns.push(Number(process.hrtime.bigint()));
      await queue.add(name, data);
    }
    return { sent_ns };
  },
  async steady() {
    const sent_ns = [];
    const begun = process.hrtime.bigint();
    while (sent_ns.length < jobs.length) {
      const due = jobs.slice(sent_ns.length, Math.floor(seconds(begun) * spec.rate));
      const now = Number(process.hrtime.bigint());
      for (const _ of due) sent_ns.push(now);
      if (due.length) await queue.addBulk(due);
      await sleep(10);
    }
    return { sent_ns };
  },
};

console.log(JSON.stringify(await does[spec.do]()));
await queue.close();
