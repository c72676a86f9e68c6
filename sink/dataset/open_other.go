//go:build !unix

package dataset

// noFollow has no counterpart here; the file is looked at once it is open.
const noFollow = 0

// nonBlock neither: there are no named pipes in directories.
const nonBlock = 0
