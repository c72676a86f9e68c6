//go:build !(((linux && !android) || (darwin && !ios)) && (amd64 || arm64))

package sink

import _ "embed"

// The name of a file that is not there is the one message that the go command gives before it compiles
// anything, and so the only one: everything else that another platform lacks would hide it.
//
//go:embed "tw2parquet is for linux and darwin on amd64 and arm64. A big-endian machine would write wrong files, because values are copied as they lie in memory; a 32-bit one has too few addresses; other systems are not tested"
var platform string
