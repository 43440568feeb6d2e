// One kind of call against one store, from so many clients at once, for so long; prints what it counted as JSON.
// Arguments: where the store is, the call, clients, milliseconds.
import process from 'node:process'

const [where, call, clients, millis] = Deno.args
const kv = await Deno.openKv(where)
const KEYS = 10_000
const value = (n: number) => ({ n, text: 'x'.repeat(80), list: [1, 2, 3] })
const some = () => Math.floor(Math.random() * KEYS)
const key = (n: number) => ['bench', Math.floor(n / 100), n % 100]

const calls: Record<string, () => Promise<unknown>> = {
  set: () => kv.set(key(some()), value(some())),
  get: () => kv.get(key(some())),
  getMany: () => kv.getMany(Array.from({ length: 10 }, () => key(some()))),
  list: async () => {
    let seen = 0
    for await (const _ of kv.list({ prefix: ['bench', Math.floor(Math.random() * (KEYS / 100))] })) seen++
    if (seen !== 100) throw new Error(`${seen} of 100 keys`)
  },
  atomic: () => {
    const first = some()
    const atomic = kv.atomic()
    for (let n = 0; n < 10; n++) atomic.set(key((first + n) % KEYS), value(n))
    return atomic.commit()
  },
}

async function fill() {
  for (let first = 0; first < KEYS; first += 500) {
    const atomic = kv.atomic()
    for (let n = first; n < first + 500; n++) atomic.set(key(n), value(n))
    await atomic.commit()
  }
}

async function load(one: () => Promise<unknown>) {
  const took: number[] = []
  const begun = performance.now()
  const end = begun + Number(millis)
  const cpu = process.cpuUsage()
  await Promise.all(Array.from({ length: Number(clients) }, async () => {
    for (let now = performance.now(); now < end;) {
      await one()
      const then = performance.now()
      took.push(then - now)
      now = then
    }
  }))
  const seconds = (performance.now() - begun) / 1000
  const { user, system } = process.cpuUsage(cpu)
  took.sort((a, b) => a - b)
  const at = (share: number) => 1000 * took[Math.min(took.length - 1, Math.floor(share * took.length))]
  return { calls: took.length, seconds, p50_us: at(0.5), p99_us: at(0.99), client_cpu_us: user + system }
}

if (call === 'fill') await fill()
else console.log(JSON.stringify(await load(calls[call])))
kv.close()
