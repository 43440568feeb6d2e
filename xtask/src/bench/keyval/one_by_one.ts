// Writes to SQLite as programs do that commit each write for itself, durably; prints how many a second.
// Arguments: the file, milliseconds.
import { DatabaseSync } from 'node:sqlite'

const [file, millis] = Deno.args
const db = new DatabaseSync(file)
db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE entries (key TEXT PRIMARY KEY, value BLOB)')
const put = db.prepare('INSERT INTO entries VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value')
const value = new TextEncoder().encode(JSON.stringify({ n: 1, text: 'x'.repeat(80), list: [1, 2, 3] }))
const begun = performance.now()
let writes = 0
for (; performance.now() - begun < Number(millis); writes++) put.run(`rest/${Math.floor(Math.random() * 10_000)}`, value)
console.log((1000 * writes) / (performance.now() - begun))
db.close()
