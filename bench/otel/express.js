'use strict'

// The express app of the other benches, with the SDK.

require('./sdk.js')
require('../apps/express.js')
