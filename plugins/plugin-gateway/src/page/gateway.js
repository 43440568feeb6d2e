// The gateway's page: figures by the live stream, lists by asking.
import { base, bytes, listen, number, put } from './kit.js'
import { showLimits } from './limits.js'
import { showCache } from './cache.js'
import { showCounts, showShell } from './requests.js'
import './history.js'

let last = null

/** How many were refused since the event before, in a second. */
function rate(moment) {
  const [now, total] = [Date.parse(moment.timestamp), moment.rateLimit.metrics.blockedRequests]
  if (last && now > last.now) put('stat-rate', number((Math.max(0, total - last.total) * 1000) / (now - last.now)))
  last = { now, total }
}

function redis(state) {
  if (!state) return 'not used'
  return state.connected ? 'connected' : 'away'
}

listen(`${base}/api/sse`, (moment) => {
  const { metrics, limits } = moment.rateLimit
  put('stat-allowed', number(metrics.allowedRequests))
  put('stat-refused', number(metrics.blockedRequests))
  put('stat-keys', number(metrics.activeBuckets))
  put('stat-redis', redis(moment.redis))
  rate(moment)
  const cache = moment.cache
  const asked = cache ? cache.hits + cache.misses : 0
  put('stat-hits', cache ? (asked ? `${number((100 * cache.hits) / asked)} %` : '–') : 'off')
  put('stat-cached', cache ? bytes(cache.bytes) : 'off')
  showLimits(limits)
  showCache(cache)
  showCounts(moment.logs)
  showShell(moment.shell)
})
