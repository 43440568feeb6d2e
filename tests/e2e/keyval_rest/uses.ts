// What an application does with it, and what Deno's own client sees of that.
const [root] = Deno.args
const kv = new Kv(`${root}/api`)
const deno = await Deno.openKv(root)
const same = (got: unknown, wanted: unknown, what: string) => {
  if (Deno.inspect(got, { depth: 9 }) !== Deno.inspect(wanted, { depth: 9 })) {
    throw new Error(`${what}: ${Deno.inspect(got, { depth: 9 })} is not ${Deno.inspect(wanted, { depth: 9 })}`)
  }
}
const all = async <T>(entries: AsyncIterable<T>) => { const list: T[] = []; for await (const entry of entries) list.push(entry); return list }
const keys = async (entries: AsyncIterable<{ key: unknown }>) => (await all(entries)).map((entry) => entry.key)
const until = async (what: string, holds: () => unknown) => {
  for (let n = 0; n < 400; n++) {
    if (holds()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`not in time: ${what}`)
}

// A key by its path is the key by its parts, whoever asks.
for (const key of [["users", 123], ["user@x.com", "a/b", "50%"], ["ä ü", "c,d"], [-7, "keys", "keys"], ["batch"], ["count"]]) {
  const written = await kv.set(key, { key })
  same(written, { ok: true, versionstamp: written.versionstamp }, "set")
  if (key[0] !== "count") same(await kv.get(key), { key, value: { key }, versionstamp: written.versionstamp }, "get")
  same((await kv.get([key]))[0].value, { key }, "batch")
  same((await deno.get(key)).value, { key }, "Deno's get")
  same((await kv.atomic().check({ key, versionstamp: written.versionstamp }).set(key, "atomic").commit()).ok, true, "check")
  same((await deno.get(key)).versionstamp, (await kv.get([key]))[0].versionstamp, "versionstamps")
}
same(await kv.get(["none"]), { key: ["none"], value: null, versionstamp: null }, "missing")
same(await kv.get([]), [], "nothing asked")

// What Deno wrote is shown, of every type, and poisons nothing.
await deno.set(["types", "bigint"], 5n)
await deno.set(["types", "date"], new Date(5))
await deno.set(["types", "bytes"], new Uint8Array([1, 2]))
await deno.set(["types", "u64"], new Deno.KvU64(7n))
await deno.set(["types", true, 1n], null)
const shown = Object.fromEntries((await all(kv.list(["types"]))).map((entry) => [String((entry.key as unknown[])[1]), entry.value]))
same(shown.bigint, { __type: "bigint", value: "5" }, "bigint")
same(shown.date, { __type: "date", value: "1970-01-01T00:00:00.005Z" }, "date")
same(shown.u64, { __type: "u64", value: "7" }, "u64")
same(shown.true, null, "null")
same(await kv.count(["types"]), 5, "count")
same((await kv.atomic().set(["types", "back"], 2n ** 70n).commit()).ok, true, "a bigint")
same((await deno.get(["types", "back"])).value, 2n ** 70n, "a bigint for Deno")

// Prefixes with characters that are encoded twice, bounds, pages, no siblings.
for (let n = 0; n < 5; n++) await kv.set(["ö prefix/x", n], n)
await kv.set(["ö prefix/x2", 0], "a sibling")
same(await keys(kv.list(["ö prefix/x"])), [0, 1, 2, 3, 4].map((n) => ["ö prefix/x", n]), "list")
same(await keys(kv.list(["ö prefix/x"], { start: ["ö prefix/x", 1], end: ["ö prefix/x", 3], reverse: true })), [["ö prefix/x", 2], ["ö prefix/x", 1]], "bounds")
const pages: unknown[] = []
for (let cursor: string | undefined;;) {
  const page = await kv.paginate(["ö prefix/x"], { limit: 2, cursor })
  pages.push(page.entries.length)
  if (!page.hasMore) break
  cursor = page.cursor
}
same(pages, [2, 2, 1], "pages")

// Atomics: the numbers of the original, also on Deno's counters, and lists that stay lists.
await kv.atomic().sum(["views"], 1n).max(["best"], 5n).min(["least"], 5n).append(["log"], [{ a: true }]).prepend(["log"], [[1]]).commit()
await kv.atomic().sum(["views"], 2n).max(["best"], 3n).min(["least"], 3n).append(["log"], [false]).commit()
same((await kv.get([["views"], ["best"], ["least"], ["log"]])).map((entry: any) => entry.value), [3, 5, 3, [[1], { a: true }, false]], "sums")
await deno.atomic().sum(["deno's"], 40n).commit()
await kv.atomic().sum(["deno's"], 2n).commit()
same((await deno.get(["deno's"])).value, new Deno.KvU64(42n), "a counter of Deno's")
const moved = await Promise.all([1, 2, 3, 4].map(() => kv.transaction(async (tx) => {
  const { value } = await tx.get(["money"])
  tx.set(["money"], (value ?? 0) + 1)
  return value
}, { maxRetries: 50 })))
same([moved.every(({ ok }) => ok), (await deno.get(["money"])).value], [true, 4], "transactions")

// Filters, with the server's time.
for (const [id, at] of [["old", -60_000], ["new", 60_000]] as const) {
  await kv.atomic().set(["sessions", id], { id, expiresAt: kv.now(at) }).commit()
}
same(await keys(kv.list(["sessions"], { where: { expiresAt: { $gt: kv.now() } } })), [["sessions", "new"]], "where")
same((await kv.delete(["sessions"], { where: { expiresAt: { $lt: kv.now(30_000) } } })).deletedCount, 1, "delete where")
same(await kv.delete([["sessions", "new"], ["types"]]), { deletedCount: 7 }, "delete many")
same(await kv.delete(["ö prefix/x", 1], { exact: true }), { deletedCount: 1 }, "delete exactly")
same(await kv.delete(["ö prefix/x"]), { deletedCount: 4 }, "delete all below")
same((await deno.get(["ö prefix/x2", 0])).value, "a sibling", "no sibling")

// Watches in every mode: of keys and, as it is if nobody says otherwise, of prefixes.
const told: Record<string, any[]> = {}
const watches = [["default", {}], ["exact", { exact: true }], ["polling", { mode: "polling" }], ["exact polling", { mode: "polling", exact: true }], ["quiet", { emitInitial: false }]]
  .map(([name, options]) => kv.watch(["w, ä", 1], (entries) => (told[name as string] ??= []).push(...entries), options))
const saw = (name: string, value: unknown) => told[name]?.some((entry) => Deno.inspect(entry.value) === Deno.inspect(value))
await until("the watches stand", () => saw("exact", null))
await new Promise((resolve) => setTimeout(resolve, 200))
await deno.set(["w, ä", 1], "from Deno")
for (const name of ["default", "exact", "polling", "exact polling", "quiet"]) await until(`${name} is told`, () => saw(name, "from Deno"))
await kv.set(["w, ä", 1, "below"], "below")
for (const name of ["default", "polling", "quiet"]) await until(`${name} is told of what is below`, () => saw(name, "below"))
await deno.delete(["w, ä", 1])
for (const name of ["default", "exact", "polling", "exact polling", "quiet"]) {
  await until(`${name} is told that it is gone`, () => told[name].at(-1).value === null && told[name].at(-1).versionstamp === null)
}
watches.forEach((watch) => watch.stop())
const pushed = deno.watch([["pushed"]]).getReader()
await pushed.read()
await kv.set(["pushed"], 1)
same((await pushed.read()).value?.[0].value, 1, "Deno's watch")
await pushed.cancel()

// Queues: the original's whole life of a message.
const got: unknown[] = []
const listener = kv.listenQueue((value) => { got.push(value); if (value.fails) throw new Error("it fails") })
const polling = kv.listenQueue((value) => void got.push(value), { mode: "polling" })
const { id } = await kv.enqueue({ hello: 1 })
await deno.atomic().set(["with"], 1).commit()
await until("it is delivered", () => got.length === 1)
same([typeof id, got], ["string", [{ hello: 1 }]], "enqueue")
listener.stop(); polling.stop()
const failing = kv.listenQueue(() => { throw new Error("it fails") })
await kv.enqueue("never", { backoffSchedule: [], keysIfUndelivered: [["undelivered"]] })
let dead: any[] = []
for (let n = 0; n < 400 && dead.length === 0; n++) dead = await kv.dlq.list({ limit: 5 })
failing.stop()
same([dead[0].value, dead[0].attempts, (await deno.get(["undelivered"])).value], ["never", 1, "never"], "dead")
same((await kv.dlq.get(dead[0].id)).id, dead[0].id, "dlq.get")
same((await kv.queueStats()).dlq, 1, "stats")
same(typeof (await kv.dlq.requeue(dead[0].id)).id, "string", "requeue")
same(await kv.dlq.get(dead[0].id), null, "dlq.get of none")
await kv.dlq.purge()

// Search, whose index the original's client could never make on its own server.
await kv.createIndex(["posts"], { fields: ["title", "author.name"] })
await kv.set(["posts", 1], { title: "Analytical engines", author: { name: "Ada" }, live: true })
await kv.set(["posts", 2], { title: "Steam engines", author: { name: "James" }, live: false })
let found: any[] = []
for (let n = 0; n < 400 && found.length < 2; n++) found = await all(kv.search(["posts"], "engines").valueOf() as AsyncIterable<any>).catch(() => [])
same(found.length, 2, "search")
same(await keys(kv.search(["posts"], "engines", { where: { live: true } })), [["posts", 1]], "search where")
same((await kv.listIndexes()).map((index: any) => [index.prefix, index.fields]), [[["posts"], ["title", "author.name"]]], "indexes")
await kv.removeIndex(["posts"])
same(await kv.listIndexes(), [], "no indexes")

const metrics = await kv.metrics()
same([metrics.operations.operations.get.count > 0, metrics.storage.entries > 0], [true, true], "metrics")
same((await kv.metrics("prometheus")).includes("keyval_operations_total"), true, "prometheus")

// Time.
await kv.set(["short"], 1, { expiresIn: 50 })
for (let n = 0; n < 400 && (await deno.get(["short"])).value !== null; n++) await new Promise((resolve) => setTimeout(resolve, 5))
same((await kv.get(["short"])).value, null, "expired")
deno.close()
console.log("done")
