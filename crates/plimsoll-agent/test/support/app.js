'use strict'
// Runs an app as a child process, with the agent preloaded as the supervisor would do it, or without.
const { spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { Queue } = require('./queue.js')

const JS = path.join(__dirname, '..', '..', 'js')

/** What every app's source can use: `say(value)` prints a line of JSON for the test. */
const PRELUDE = `'use strict';
const http = require('node:http'), net = require('node:net');
const say = (value) => require('node:fs').writeSync(1, JSON.stringify(value) + '\\n');
const failure = ({ message, code, errno, syscall, address, port }) => ({ message, code, errno, syscall, address, port });
`

const written = new Map()

/** js/ and the addon in one directory, as the supervisor writes them; `addon` false: without the native half. */
function agent (addon = true) {
  if (written.has(addon)) return written.get(addon)
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'plim-agent-'))
  written.set(addon, directory)
  for (const file of fs.readdirSync(JS)) fs.copyFileSync(path.join(JS, file), path.join(directory, file))
  if (addon) fs.copyFileSync(process.env.PLIMSOLL_TEST_ADDON, path.join(directory, 'addon.node'))
  process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }))
  return directory
}

class App {
  /** `supervisor` null: plain Node. `options`: what stands in `NODE_OPTIONS` before ours. */
  constructor (t, supervisor, source, { flags = [], options = '', env = {}, command = null, addon = true } = {}) {
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'plim-app-'))
    this.file = path.join(this.directory, 'app.cjs')
    fs.writeFileSync(this.file, PRELUDE + source)
    this.said = new Queue()
    this.errors = ''
    const [program, ...args] = command ?? [process.execPath, ...flags, this.file]
    this.process = spawn(program, args, {
      env: { ...process.env, ...env, ...(supervisor && preload(supervisor, addon, options)) },
      stdio: ['pipe', 'pipe', 'pipe']
    })
    this.exited = new Promise((resolve) => this.process.on('close', (code, signal) => {
      this.said.end(new Error(`the app ended: ${signal ?? code}\n${this.errors}`))
      resolve({ code, signal })
    }))
    this.#listen()
    t.after(() => this.stop())
  }

  #listen () {
    let rest = ''
    this.process.stderr.on('data', (bytes) => { this.errors += bytes })
    this.process.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()
      for (const line of lines) if (line.startsWith('{') || line.startsWith('[') || line.startsWith('"')) this.said.push(JSON.parse(line))
    })
  }

  /** The next line that the app says. */
  next () {
    return this.said.next()
  }

  /** Tells the app to go on: apps wait with `process.stdin.once('data', …)`. */
  poke (text = '.') {
    this.process.stdin.write(text)
  }

  async stop () {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGKILL')
    await this.exited
    fs.rmSync(this.directory, { recursive: true, force: true })
  }
}

function preload (supervisor, addon = true, options = '') {
  return {
    NODE_OPTIONS: `${options} --require ${path.join(agent(addon), 'agent.cjs')}`,
    PLIMSOLL_AGENT_DIR: supervisor.directory
  }
}

module.exports = { App, agent, preload }
