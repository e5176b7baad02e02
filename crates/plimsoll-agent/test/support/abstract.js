'use strict'
// A connection as the gateway makes it for bytes that are passed through: its own end is bound to an abstract
// address that spells the client. Node cannot bind a client's end, so a few lines of Perl (in every Debian) do.
const { spawn } = require('node:child_process')
const net = require('node:net')

const RELAY = `
use strict; use Socket;
my ($name, $path) = @ARGV;
socket(my $socket, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
if ($name ne '') { bind($socket, pack_sockaddr_un("\\0$name")) or die "bind: $!" }
connect($socket, pack_sockaddr_un($path)) or die "connect: $!";
sub pass { my ($from, $to) = @_; my $bytes;
  my $count = sysread($from, $bytes, 65536) or exit 0;
  for (my $at = 0; $at < $count;) { $at += syswrite($to, $bytes, $count - $at, $at) or exit 0 } }
for (;;) {
  my $watched = ''; vec($watched, fileno($_), 1) = 1 for (\\*STDIN, $socket);
  select($watched, undef, undef, undef);
  pass(\\*STDIN, $socket) if vec($watched, 0, 1);
  pass($socket, \\*STDOUT) if vec($watched, fileno($socket), 1);
}
`

let unique = 0

/** A socket to the server at `path`; `peer` as in the private header, null for an end without a name. */
async function connectAs (t, peer, path) {
  unique += 1
  const name = peer === null ? '' : `plimsoll/${process.pid}-${unique}/${peer}`
  const relay = spawn('perl', ['-e', RELAY, name, path], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => relay.kill())
  relay.stdin.on('error', () => {})
  const server = net.createServer({ allowHalfOpen: true }, (near) => {
    near.on('error', () => {})
    near.pipe(relay.stdin)
    relay.stdout.pipe(near)
    server.close()
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = net.connect(server.address())
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  return socket
}

module.exports = { connectAs }
