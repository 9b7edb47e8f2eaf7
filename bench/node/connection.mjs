// Where Redis is, as BullMQ wants it.
const url = new URL(process.env.BENCH_REDIS ?? "redis://127.0.0.1:6379/0");

// Its "Going to production" asks for maxRetriesPerRequest: null in workers.
export const connection = { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null };
export const QUEUE = "bench";
