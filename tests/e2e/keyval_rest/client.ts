// A client that says on the wire what the original's `@buntime/keyval` says, defects included, and reads what it reads:
// it never looks at a status but for 404, encodes prefixes twice, has a prefix watch ask for `prefixes`, sends fields of
// an index beside its prefix, and forgets an event of which a part came in another piece.

type Key = (string | number | bigint | boolean | Uint8Array)[]
type Entry = { key: Key; value: any; versionstamp: string | null }

const part = (part: Key[number]) =>
  typeof part === "string" ? encodeURIComponent(part)
    : part instanceof Uint8Array ? btoa(String.fromCharCode(...part)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
    : String(part)
const path = (key: Key) => key.map(part).join("/")
const isMany = (keys: Key | Key[]): keys is Key[] => Array.isArray(keys[0])

// What `kv.now()` is, to whatever writes it with the replacer.
const NOW = Symbol("now")
const replacer = (_: string, value: any) =>
  typeof value === "bigint" ? { __type: "bigint", value: value.toString() }
    : value !== null && typeof value === "object" && NOW in value ? { $now: true, offset: value.offset }
    : value

export class Kv {
  constructor(private base: string) {}

  now(offset = 0) { return { [NOW]: true, offset } }

  private async post(route: string, body: unknown, method = "POST") {
    const headers = { "Content-Type": "application/json" }
    return await (await fetch(`${this.base}${route}`, { method, headers, body: JSON.stringify(body, replacer) })).json()
  }

  private url(route: string, query: Record<string, unknown>) {
    const url = new URL(`${this.base}${route}`)
    for (const [name, value] of Object.entries(query)) {
      // It asks whether there is something, and so leaves out 0, false and "".
      if (value) url.searchParams.set(name, Array.isArray(value) ? path(value) : String(value))
    }
    return url
  }

  async get(keys: any): Promise<any> {
    if (keys.length === 0) return []
    if (isMany(keys)) return await this.post("/keys/batch", { keys })
    const response = await fetch(`${this.base}/keys/${path(keys)}`)
    if (response.status === 404) return { key: keys, value: null, versionstamp: null }
    return await response.json()
  }

  async set(key: Key, value: unknown, options: { expiresIn?: number } = {}) {
    const url = this.url(`/keys/${path(key)}`, options)
    const headers = { "Content-Type": "application/json" }
    return await (await fetch(url, { method: "PUT", headers, body: JSON.stringify(value) })).json()
  }

  async delete(keys: Key | Key[], options: { exact?: boolean; where?: unknown } = {}) {
    if (isMany(keys)) return await this.post("/keys/delete-batch", { keys, ...options })
    if (options.where || options.exact !== undefined) return await this.post(`/keys/${path(keys)}`, options, "DELETE")
    return await (await fetch(`${this.base}/keys/${path(keys)}`, { method: "DELETE" })).json()
  }

  async *list(prefix: Key, options: any = {}): AsyncGenerator<Entry> {
    const { start, end, limit, reverse, where } = options
    yield* where
      ? await this.post("/keys/list", { prefix, start, end, limit, reverse, where })
      : await (await fetch(this.url("/keys", { prefix: prefix.length && prefix, start, end, limit, reverse }))).json()
  }

  async count(prefix: Key) {
    return (await (await fetch(this.url("/keys/count", { prefix: prefix.length && prefix }))).json()).count
  }

  async paginate(prefix: Key, options: any = {}) {
    return await (await fetch(this.url("/keys/paginate", { prefix: prefix.length && prefix, ...options }))).json()
  }

  atomic() {
    const checks: unknown[] = [], mutations: unknown[] = []
    const step = (type: string) => (key: Key, value?: unknown, options: any = {}) => {
      mutations.push({ type, key, value, expiresIn: options.expiresIn })
      return operation
    }
    const operation: any = {
      check: (...more: any[]) => (checks.push(...more.map(({ key, versionstamp }) => ({ key, versionstamp }))), operation),
      commit: () => this.post("/atomic", { checks, mutations }),
    }
    for (const type of ["set", "delete", "sum", "max", "min", "append", "prepend"]) operation[type] = step(type)
    return operation
  }

  async transaction<T>(work: (tx: any) => Promise<T>, { maxRetries = 0 } = {}) {
    for (let attempt = 0; attempt <= maxRetries; attempt++) {
      const read = new Map<string, Entry>(), atomic = this.atomic()
      const get = async (key: Key) => {
        const name = JSON.stringify(key)
        if (!read.has(name)) read.set(name, await this.get(key))
        return read.get(name)
      }
      const value = await work({ ...atomic, get })
      for (const [name, { versionstamp }] of read) atomic.check({ key: JSON.parse(name), versionstamp })
      const committed = await atomic.commit()
      if (committed.ok) return { ok: true, value, versionstamp: committed.versionstamp }
      await new Promise((resolve) => setTimeout(resolve, 10 * (attempt + 1)))
    }
    return { ok: false }
  }

  async createIndex(prefix: Key, { fields, tokenize = "unicode61" }: any) {
    await this.post("/indexes", { prefix, fields, tokenize })
  }
  async listIndexes() { return await (await fetch(`${this.base}/indexes`)).json() }
  async removeIndex(prefix: Key) { await this.post("/indexes", { prefix }, "DELETE") }
  async *search(prefix: Key, query: string, { where, limit }: any = {}): AsyncGenerator<Entry> {
    yield* where
      ? await this.post("/search", { prefix, query, limit, where })
      : await (await fetch(this.url("/search", { prefix: prefix.length && prefix, query, limit }))).json()
  }

  async enqueue(value: unknown, options?: any) { return await this.post("/queue/enqueue", { value, options }) }

  listenQueue(handler: (value: any) => unknown, { mode = "sse", pollInterval = 20 } = {}) {
    const stopped = new AbortController()
    const process = async (message: any) => {
      const settle = (how: string) => this.post(`/queue/${how}`, { id: message.id })
      try {
        await handler(message.value)
        await settle("ack")
      } catch {
        await settle("nack")
      }
    }
    const poll = async () => {
      while (!stopped.signal.aborted) {
        const { message } = await (await fetch(`${this.base}/queue/poll`, { signal: stopped.signal })).json()
        await (message ? process(message) : new Promise((resolve) => setTimeout(resolve, pollInterval)))
      }
    }
    const running = mode === "sse" ? this.events(`${this.base}/queue/listen`, "message", process, stopped.signal) : poll()
    running.catch(() => {})
    return { stop: () => stopped.abort() }
  }

  watch(keys: Key | Key[], told: (entries: Entry[]) => unknown, options: any = {}) {
    const { mode = "sse", exact = false, emitInitial = true, limit = 100, pollInterval = 20 } = options
    const stopped = new AbortController()
    const route = exact ? "/watch" : "/watch/prefix"
    const url = new URL(`${this.base}${route}${mode === "sse" ? "" : "/poll"}`)
    url.searchParams.set(exact ? "keys" : "prefixes", (isMany(keys) ? keys : [keys]).map(path).join(","))
    const poll = async () => {
      while (!stopped.signal.aborted) {
        const { entries, versionstamps } = await (await fetch(url, { signal: stopped.signal })).json()
        if (versionstamps.length > 0) {
          url.searchParams.set("versionstamps", exact ? versionstamps.join(",") : versionstamps)
        }
        if (entries.length > 0) told(entries)
        await new Promise((resolve) => setTimeout(resolve, pollInterval))
      }
    }
    if (mode === "sse") {
      url.searchParams.set("initial", String(emitInitial))
      if (!exact) url.searchParams.set("limit", String(limit))
    }
    const running = mode === "sse" ? this.events(String(url), "change", told, stopped.signal) : poll()
    running.catch(() => {})
    return { stop: () => stopped.abort() }
  }

  private async events(url: string, name: string, each: (data: any) => unknown, signal: AbortSignal) {
    const response = await fetch(url, { signal, headers: { Accept: "text/event-stream" } })
    const decoder = new TextDecoder()
    let rest = ""
    for await (const piece of response.body!) {
      const lines = (rest + decoder.decode(piece, { stream: true })).split("\n")
      rest = lines.pop() ?? ""
      // Of this piece alone.
      let event = "", data = ""
      for (const line of lines) {
        if (line.startsWith("event:")) event = line.slice(6).trim()
        else if (line.startsWith("data:")) data = line.slice(5).trim()
        else if (line === "" && event === name && data) {
          await each(JSON.parse(data))
          event = data = ""
        }
      }
    }
  }

  get dlq() {
    const route = `${this.base}/queue/dlq`
    return {
      list: async (options = {}) => await (await fetch(this.url("/queue/dlq", options))).json(),
      get: async (id: string) => {
        const response = await fetch(`${route}/${encodeURIComponent(id)}`)
        return response.status === 404 ? null : await response.json()
      },
      requeue: async (id: string) => await (await fetch(`${route}/${encodeURIComponent(id)}/requeue`, { method: "POST" })).json(),
      delete: async (id: string) => void await (await fetch(`${route}/${encodeURIComponent(id)}`, { method: "DELETE" })).text(),
      purge: async () => void await (await fetch(route, { method: "DELETE" })).text(),
    }
  }

  async queueStats() { return await (await fetch(`${this.base}/queue/stats`)).json() }
  async metrics(format = "json"): Promise<any> {
    const response = await fetch(`${this.base}/metrics${format === "prometheus" ? "/prometheus" : ""}`)
    return format === "prometheus" ? await response.text() : await response.json()
  }
}
