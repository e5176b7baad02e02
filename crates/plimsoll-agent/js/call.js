'use strict'
// One call to a downstream, from the moment the app makes it until the last byte of the answer. Who makes calls (http,
// undici) extends this class.

const spans = require('./spans.js')

const CREATED = 0
const WAITING = 1
const RUNNING = 2
const OVER = 3

// How a call without an answer ended: by itself, because the app had waited as long as it wanted to, or for another reason
// of the app's.
const BROKE = 0
const TIMED_OUT = 1
const GIVEN_UP = 2

// Plain fields: private ones cost time on Node 18 and 20.
class Call {
  /** `group`: the calls of the same client's request to the same origin; null: not known. */
  constructor (origin, group) {
    this.origin = origin
    this.group = group
    /** It counts in its group. */
    this.inGroup = false
    /** It was made before by the same request, and failed. */
    this.isRetry = false
    this.state = CREATED
    this.began = 0
    /** When it was its turn. */
    this.ran = 0
    this.timer = null
    /** The queue in which it stands. */
    this.line = null
    /** The neighbours among those that run, oldest first. */
    this.older = null
    this.newer = null
    /** Of the computed queue: see shadow.js. */
    this.shadow = 0
    this.shadowMs = 0
    this.tookMs = -1
    /** Of a traced request: see spans.js. */
    this.span = group === null ? null : spans.begin(group.request)
  }

  /** Tells of a call of a traced request, and of one of which nobody knows whose it is. */
  tell (now, status, how) {
    if (!spans.isTold(this.span, now - this.began, status === 0 || status >= 500)) return
    const span = this.span ?? (this.group === null ? spans.ofNobody() : null)
    if (span === null) return
    const error = status === 0 ? how === TIMED_OUT ? 'timeout' : how === GIVEN_UP ? 'aborted' : this.errorCode() : ''
    const waitedMs = this.ran > this.began ? this.ran - this.began : 0
    const { method, path } = this.about()
    spans.end(span, now, {
      kind: 'http', to: this.origin.name, method, path: spans.pathOf(path), began: this.began, waitedMs, status, error
    })
  }

  /** What has `method` and `path`. */
  about () {
    return { method: '', path: '' }
  }

  errorCode () {
    return 'failed'
  }

  /** It is its turn. */
  start () {}

  /** It will never be its turn. */
  refuse (error) {}

  /** It has to wait: from now on it must hear of what makes it leave. */
  wait () {}

  /** Method and path: by which a call that is made again is known. */
  what () {
    return ''
  }

  /** Of an answer that has begun; 0: there is none. */
  statusSoFar () {
    return 0
  }

  /** When nobody has read anything of the answer since: the time of the last sign of life; else `Infinity`. */
  idleSince () {
    return Infinity
  }
}

module.exports = { Call, CREATED, WAITING, RUNNING, OVER, BROKE, TIMED_OUT, GIVEN_UP }
