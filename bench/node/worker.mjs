// A BullMQ worker process.
import { Worker } from "bullmq";
import { connection, QUEUE } from "./connection.mjs";
import { mark } from "./stamps.mjs";

const linger = process.env.BENCH_LINGER === "1";

const worker = new Worker(
  QUEUE,
  async (job) => {
    mark(job.data.i);
    if (linger) await new Promise((resolve) => setTimeout(resolve, 3_600_000));
  },
  {
    connection,
    concurrency: Number(process.env.BENCH_CONCURRENCY ?? 100),
    // Nothing is kept of a finished job: its fastest setting.
    removeOnComplete: { count: 0 },
  },
);
worker.on("error", (error) => console.error(error));
